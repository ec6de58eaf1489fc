"""Asynchronous agents: rank 0 is the parameter server, to which each agent sends its gradients when it has them."""

# First of all: run as a file, this one has a random.py beside it that would hide the standard library's.
if __name__ == "__main__":
    import sys

    root = sys.path[0].removesuffix("/dhmpi/search/nas")
    sys.path[:1] = {root}.difference(sys.path[1:])
    from dhmpi.cli import main

    sys.exit(main(["ppo-async", *sys.argv[1:]]))

from dhmpi.search.nas.ppo import PPOSearch


class NasPPOAsyncA3C(PPOSearch):
    """Agents search, each at its own pace, and send their gradients to rank 0, the parameter server.

    See `Search` for the arguments.
    """

    name = "ppo-async"
    has_server = True
