"""Neural networks: the spaces they come from, how they are built, trained and drawn."""
