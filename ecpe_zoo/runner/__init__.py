"""Folds x seeds x methods: suites, their cells, the store of their records, and who runs them.

`suite` reads the file, `cells` expands it, `store` keeps records and locks, `executors` and `on_ray` start fits,
`scheduler` ties them together, `screen` shows them; `comparison` sets two folders of records side by side.
"""
