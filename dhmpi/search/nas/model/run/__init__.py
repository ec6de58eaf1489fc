"""What a search calls to evaluate an architecture."""
