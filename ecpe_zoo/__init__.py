"""Train, score and compare methods that find emotions in text and what caused them."""

__version__ = "0.1.0"
