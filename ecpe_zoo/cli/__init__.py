"""The commands of ecpe-zoo."""
