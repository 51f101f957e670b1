"""Training in stages, with the callbacks that score, record, seed and stop a run."""
