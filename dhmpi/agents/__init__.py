"""Searches by agents: several ranks search, each with evaluators of its own, and rank 0 coordinates them."""
