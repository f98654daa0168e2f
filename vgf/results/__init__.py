"""Results: from records to tables, statistics and verdicts. Nothing here draws."""
