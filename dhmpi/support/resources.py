"""Resources of an evaluation that is more than a process."""

from dataclasses import dataclass

from dhmpi.support.options import Setting, integer, option


def _of_balsam(key: str) -> Setting:
    return Setting("evaluator", key, ("balsam",))


@dataclass(frozen=True)
class Resources:
    """Resources of an evaluation on a cluster, in Balsam's words.

    Attributes:
        num_nodes: Nodes.
        ranks_per_node: Ranks on each of them.
        threads_per_rank: Threads of each rank.
        node_packing_count: How many evaluations share a node.
    """

    num_nodes: int = option(1, integer(1), "nodes of an evaluation", setting=_of_balsam("nodes"))
    ranks_per_node: int = option(
        1, integer(1), "ranks of an evaluation on each of its nodes", setting=_of_balsam("ranks")
    )
    threads_per_rank: int = option(64, integer(1), "threads of each of these ranks", setting=_of_balsam("threads"))
    node_packing_count: int = option(
        1, integer(1), "evaluations that share a node, in job mode serial", setting=_of_balsam("packing")
    )
