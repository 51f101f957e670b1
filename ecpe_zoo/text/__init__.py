"""Tokenisation, encoders, word vectors and prompts."""
