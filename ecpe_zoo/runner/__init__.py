"""Folds x seeds x methods."""
