"""Synchronous agents: they wait for each other after each batch, and average their gradients."""

import sys

from dhmpi.search.nas.ppo import PPOSearch


class NasPPOSyncA3C(PPOSearch):
    """Agents search in step: after each batch they average their gradients; rank 0 is the first of them.

    See `Search` for the arguments.
    """

    name = "ppo-sync"
    has_server = False


if __name__ == "__main__":
    from dhmpi.cli import main

    sys.exit(main([NasPPOSyncA3C.name, *sys.argv[1:]]))
