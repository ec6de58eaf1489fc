"""Campaigns: from names to objects, and the loop of rank 0."""
