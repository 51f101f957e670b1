"""The base class of all methods, and one file for each."""
