"""What a run leaves behind: predictions and records."""
