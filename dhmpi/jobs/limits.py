"""Limits of sites: requests that nodes cannot grant are refused, those that queues might not take are doubted."""

import difflib
from collections.abc import Iterator

from dhmpi.errors import OptionError
from dhmpi.jobs.script import JobScript
from dhmpi.jobs.sites import READ, SITES, Queue, Site


def check(job: JobScript) -> None:
    """Refuse what a site and its nodes do not have.

    Raises:
        OptionError: The machine has fewer nodes, or a node fewer GPUs or hardware threads than its ranks would need.
    """
    site = SITES[job.site]
    if site.size is not None and job.nodes is not None and job.nodes > site.size:
        raise OptionError(f"--nodes must be at most {site.size}, the nodes of {job.site}, got {job.nodes}")
    if job.gpus_per_eval and not site.gpus:
        known = ", ".join(name for name, each in SITES.items() if each.gpus)
        raise OptionError(
            f"--gpus-per-eval must come with a site whose GPUs are known: {known}; got --site {job.site}; "
            "leave it out, and ask for GPUs in the script"
        )
    gpus = job.gpus_of_eval
    if gpus > site.gpus:
        raise OptionError(f"--gpus-per-eval must be at most {site.gpus}, the GPUs of a node of {job.site}, got {gpus}")
    if job.ranks_per_node is None:
        return
    if gpus and (job.ranks_per_node - 1) * gpus > site.gpus:
        raise OptionError(
            f"--ranks-per-node must be at most {site.gpus // gpus + 1} with --gpus-per-eval {gpus} on {job.site}, one "
            f"more than find some of the {site.gpus} GPUs of a node, got {job.ranks_per_node}; --gpus-per-eval 0 gives "
            "evaluations no GPUs of their own"
        )
    if site.has_depth and job.ranks_per_node > site.threads_per_node:
        raise OptionError(
            f"--ranks-per-node must be at most {site.threads_per_node}, the hardware threads that ranks have on a node "
            f"of {job.site}, got {job.ranks_per_node}"
        )


def doubts(job: JobScript) -> Iterator[str]:
    """Yield what a site might not grant, a sentence each; queues change, and so it is no error."""
    site = SITES[job.site]
    queue, nodes, minutes = job.queue or site.queue, job.nodes or site.nodes, job.minutes or site.minutes
    rows = [each for each in site.queues if each.name == queue]
    if rows and not any(each.takes(nodes, minutes) for each in rows):
        yield (
            f"queue {queue} of {job.site} takes {', or '.join(map(_limits, rows))} (read {READ}), got "
            f"--nodes {nodes} --walltime {_time(minutes)}; {_alternatives(site, nodes, minutes)}"
        )
    names = list(dict.fromkeys(each.name for each in site.queues))
    if not rows and (close := difflib.get_close_matches(queue, names, n=1)):
        yield f"queue {queue} of {job.site} is not among those known (read {READ}); did you mean {close[0]!r}?"
    ending = site.account.removeprefix("PROJECT")
    if job.account and not job.account.endswith(ending):
        yield f"accounts of {job.site} end in {ending} for GPU nodes (read {READ}), got --account {job.account}"


def _alternatives(site: Site, nodes: int, minutes: int) -> str:
    found = dict.fromkeys(each.name for each in site.queues if each.takes(nodes, minutes))
    return f"that fits --queue {' or '.join(found)}" if found else "that fits no queue that is known"


def _limits(queue: Queue) -> str:
    if queue.max_nodes is None:
        nodes = f"{queue.min_nodes} nodes and more"
    else:
        nodes = f"{queue.min_nodes} to {queue.max_nodes} nodes"
    return f"{nodes} for up to {_time(queue.max_minutes)}"


def _time(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02}"
