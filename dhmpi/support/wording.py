"""Wording of messages: numbers of things."""


def counted(num: int, what: str) -> str:
    """Return a number of things in words, such as `1 node` and `2 nodes`."""
    return f"{num} {what}{'s' * (num != 1)}"
