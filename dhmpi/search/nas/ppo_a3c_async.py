"""Asynchronous agents: rank 0 is the parameter server, to which each agent sends its gradients when it has them."""

import sys

from dhmpi.search.nas.ppo import PPOSearch


class NasPPOAsyncA3C(PPOSearch):
    """Agents search, each at its own pace, and send their gradients to rank 0, the parameter server.

    See `Search` for the arguments.
    """

    name = "ppo-async"
    has_server = True


if __name__ == "__main__":
    from dhmpi.cli import main

    sys.exit(main([NasPPOAsyncA3C.name, *sys.argv[1:]]))
