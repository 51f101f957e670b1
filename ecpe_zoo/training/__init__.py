"""Scoring, seeding and recording around Lightning's loops."""
