"""Live view of a campaign, from its file alone."""
