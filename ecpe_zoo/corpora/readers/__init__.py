"""What the corpora's readers share: lines, rows, JSON with line numbers, wrongly decoded characters, tables.

A reader turns a file into Documents, and nothing else. Every reader has the same shape, `lines.Reader`, and
raises `CorpusError` with the file, the line, what the format asks for and what the file has. With
`on_error="skip"` a malformed document is left out and counted.
"""
