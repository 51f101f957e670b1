"""Views of result records: the board, its tables, the web page, W&B and the hub."""
