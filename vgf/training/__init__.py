"""Training: an experiment file in, records and policies out."""
