"""Job scripts: the templates of shell in templates/, filled in for a site and a search.

There is a template for each scheduler, of six blocks in one order, and one for each part that they share. A placeholder
is a name in capitals between two @.
"""

import itertools
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from dhmpi.errors import EXIT_INCOMPLETE, EXIT_NO_PROGRESS, OptionError
from dhmpi.jobs.sites import BALSAM, SEARCH_JOBS, SITES, THETA, THETA_SCRIPTS, Site

MAX_EVALS = 1000
PLACEHOLDER = re.compile(r"@([A-Z_]+)@")

# What a person may set when a script is submitted, and what a script hands on to its successor.
VARIABLES = ("SEARCH", "PROBLEM", "RUN", "MAX_EVALS", "OUTPUT", "RANKS_PER_NODE", "CHAIN", "ARGUMENTS", "MODULE")
# The workflow with Balsam has one search, and other defaults.
BALSAM_VARIABLES = VARIABLES[1:]
BALSAM_PROBLEM, BALSAM_OUTPUT = "dhmpi.benchmark.hps.polynome2.Problem", "$PWD/balsam.h5"

# What stands for a placeholder: a text, or lines.
Facts = dict[str, str | tuple[str, ...]]


@dataclass(frozen=True)
class JobScript:
    """A script to be written; what is None is as the site or the search says.

    Attributes:
        site: Name of the site.
        search: Name of the search that is the default, or balsam.
        nodes: How many it gets.
        minutes: How long it lasts.
        ranks_per_node: Ranks on each node.
        account: Project that is charged; the script names none if it is empty.
        queue: Name of the queue, the partition or the quality of service.
        problem: What is searched.
        run: What evaluates a point.
        max_evals: The budget.
        output: The results file.
        chain: Whether the script submits its successor.
    """

    site: str
    search: str
    nodes: int | None = None
    minutes: int | None = None
    ranks_per_node: int | None = None
    account: str = ""
    queue: str = ""
    problem: str = ""
    run: str = ""
    max_evals: int = MAX_EVALS
    output: str = ""
    chain: bool = False


def render(job: JobScript) -> str:
    """Return a job script.

    Raises:
        OptionError: The site cannot have it.
    """
    if job.search == BALSAM and job.site != THETA:
        raise OptionError(f"--search {BALSAM} must come with --site {THETA}, got --site {job.site}")
    site = SITES[job.site]
    facts = _of_site(site) | _of_job(job, site) | _of_search(job)
    return "\n".join(_fill(site.scheduler, facts)) + "\n"


def name_of(job: JobScript) -> str:
    """Return how the file of a script is called."""
    return f"{THETA}_{_stem(job)}.sh" if job.site == THETA else f"{job.site}.sh"


def write_all(directory: Path) -> list[Path]:
    """Write the scripts of jobs/ and return their paths; executable, since Cobalt refuses others."""
    paths = []
    for site in SITES:
        for search in THETA_SCRIPTS if site == THETA else ("ambs",):
            job = JobScript(site, search)
            path = directory / name_of(job)
            path.write_text(render(job))
            path.chmod(0o755)
            paths.append(path)
    return paths


def _stem(job: JobScript) -> str:
    return SEARCH_JOBS[job.search]


def _of_site(site: Site) -> Facts:
    has_depth = "$DEPTH" in " ".join(site.launcher)
    for_ranks = any("'" in line for line in site.launcher)
    return {
        "TITLE": site.title,
        "FACTS": site.facts,
        "CHUNK": site.chunk,
        "MODULE": site.module,
        "MODULES": site.modules,
        "EXPORTS": site.exports,
        "THREADS_PER_NODE": (str(site.threads_per_node),) if has_depth else (),
        "THREADS": "$DEPTH" if has_depth else "1",
        "LAUNCHER": " \\\n    ".join(site.launcher),
        "NOTES": ("# shellcheck disable=SC2016  # expanded by each rank",) if for_ranks else (),
    }


def _of_job(job: JobScript, site: Site) -> Facts:
    minutes = job.minutes or site.minutes
    queue = job.queue or site.queue
    directives = (f"{site.queue_option}{queue}" if queue else "", *site.directives, job.account and f"-A {job.account}")
    return {
        "NAME": _stem(job) if job.site == THETA else "dhmpi",
        "FILE": name_of(job),
        "PAYS": "" if job.account else "-A PROJECT ",
        "DIRECTIVES": tuple(text for text in directives if text),
        "NODES": str(job.nodes or site.nodes),
        "MINUTES": str(minutes),
        "TIME": f"{minutes // 60:02}:{minutes % 60:02}:00",
        "RUN": _quoted(job.run),
        "MAX_EVALS": str(job.max_evals),
        "RANKS_PER_NODE": str(job.ranks_per_node or site.ranks_per_node),
        "CHAIN": "1" if job.chain else "0",
        "INCOMPLETE": str(EXIT_INCOMPLETE),
        "NO_PROGRESS": str(EXIT_NO_PROGRESS),
    }


def _of_search(job: JobScript) -> Facts:
    if job.search == BALSAM:
        return {
            "VARIABLES": " ".join(BALSAM_VARIABLES),
            "PROBLEM": _quoted(job.problem or BALSAM_PROBLEM),
            "OUTPUT": _quoted(job.output or BALSAM_OUTPUT),
            "SEARCH": (),
            "SEARCHES": "",
            "SEARCH_DEFAULTS": (),
            "LAUNCH": tuple(_fill("balsam", {})),
        }
    return {
        "VARIABLES": " ".join(VARIABLES),
        "PROBLEM": _quoted(job.problem),
        "OUTPUT": _quoted(job.output),
        "SEARCH": job.search,
        "SEARCHES": ", ".join(name for name in SEARCH_JOBS if name != BALSAM),
    }


def _quoted(value: str) -> str:
    """Return a value as it stands in ${NAME:-value}; $PWD may be expanded."""
    return value if not value or re.fullmatch(r"\$PWD/[\w.-]+", value) else shlex.quote(value)


def _fill(template: str, facts: Facts) -> Iterator[str]:
    """Yield the lines of a template.

    Where a fact has several lines, the whole line is repeated for each, and left out if there are none. What is no fact
    is the name of another template.
    """
    text = resources.files("dhmpi.jobs").joinpath("templates", f"{template}.sh").read_text()
    for line in text.splitlines():
        pieces = PLACEHOLDER.split(line)  # what is around the names, and the names
        values = [_value(piece, facts) if number % 2 else (piece,) for number, piece in enumerate(pieces)]
        yield from map("".join, itertools.product(*values))


def _value(name: str, facts: Facts) -> tuple[str, ...]:
    value = facts[name] if name in facts else tuple(_fill(name.lower(), facts))
    return (value,) if isinstance(value, str) else value
