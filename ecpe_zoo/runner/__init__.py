"""Suites of fits over methods, corpora, folds and seeds.

`suite` reads the file, `cells` expands it, `store` keeps records and locks, `executors` and `on_ray` start fits,
`scheduler` ties them together, `screen` shows progress.
"""
