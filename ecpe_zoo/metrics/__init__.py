"""Scores as pure functions over sets and arrays, and thin torchmetrics classes."""
