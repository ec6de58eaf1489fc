"""Wording of messages: numbers of things, and of seconds."""


def counted(num: int, what: str) -> str:
    """Return a number of things in words, such as `1 node` and `2 nodes`."""
    return f"{num} {what}{'s' * (num != 1)}"


def in_seconds(seconds: float) -> str:
    """Return a duration in seconds, such as `0.0251 s`, `7.25 s` and `12 s`; of ten and more, fractions say nothing."""
    return f"{seconds:.3g} s" if seconds < 9.995 else f"{seconds:.0f} s"
