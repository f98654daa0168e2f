"""Study: the comparison on language, from its experiment file to its records, table and verdicts."""
