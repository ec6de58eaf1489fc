"""Synchronous agents: they wait for each other after each batch, and average their gradients."""

# First of all: run as a file, this one has a random.py beside it that would hide the standard library's.
if __name__ == "__main__":
    import sys

    root = sys.path[0].removesuffix("/dhmpi/search/nas")
    sys.path[:1] = {root}.difference(sys.path[1:])
    from dhmpi.cli import main

    sys.exit(main(["ppo-sync", *sys.argv[1:]]))

from dhmpi.search.nas.ppo import PPOSearch


class NasPPOSyncA3C(PPOSearch):
    """Agents search in step: after each batch they average their gradients; rank 0 is the first of them.

    See `Search` for the arguments.
    """

    name = "ppo-sync"
    has_server = False
