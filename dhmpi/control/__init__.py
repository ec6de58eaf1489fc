"""Control of a campaign: its budget, and what may end it."""
