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

from dhmpi.errors import EXIT_INCOMPLETE, EXIT_INPUT, EXIT_NO_PROGRESS, OptionError
from dhmpi.jobs.sites import BALSAM, SEARCH_JOBS, SITES, THETA, THETA_SCRIPTS, Site

MAX_EVALS = 1000
MAX_NUMBER = 999_999_999  # that any variable may have: the arithmetic of shells does not notice that it overflows
PLACEHOLDER = re.compile(r"@([A-Z_]+)@")

# What a person may set when a script is submitted, and what a script hands on to its successor; where GPUs are known,
# GPUS_PER_EVAL too.
VARIABLES = ("SEARCH", "PROBLEM", "RUN", "MAX_EVALS", "OUTPUT", "RANKS_PER_NODE", "CHAIN", "ARGUMENTS", "MODULE")
GPU_VARIABLES = (*VARIABLES, "GPUS_PER_EVAL")
MODULE = "deephyper"  # of an installation
# The workflow with Balsam has one search, and other defaults.
BALSAM_VARIABLES = VARIABLES[1:]
BALSAM_PROBLEM = "dhmpi.benchmark.hps.polynome2.Problem"
BALSAM_OUTPUT = "$PWD/balsam.h5"  # to be expanded: the search runs in a directory of Balsam's

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
        module: The modules that bring dhmpi, with blanks between them.
        arguments: More options of the search, as they are typed in a shell.
        gpus_per_eval: GPUs of each evaluation, where they are known; 0 to give it none of its own.
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
    module: str | None = None
    arguments: str = ""
    gpus_per_eval: int | None = None

    @property
    def gpus_of_eval(self) -> int:
        """GPUs of each evaluation; one if nothing was said, and 0 where no GPUs are known."""
        return min(1, SITES[self.site].gpus) if self.gpus_per_eval is None else self.gpus_per_eval


def render(job: JobScript, modulefiles: str = "") -> str:
    """Return a job script.

    Args:
        job: What it is for.
        modulefiles: The folder of modules of the installation that it belongs to, or nothing.

    Raises:
        OptionError: The site cannot have it.
    """
    if job.search == BALSAM and job.site != THETA:
        raise OptionError(f"--search {BALSAM} must come with --site {THETA}, got --site {job.site}")
    site = SITES[job.site]
    facts = _of_site(site) | _of_job(job, site) | _of_module(job, site, modulefiles) | _of_search(job, site)
    return "\n".join(_fill(site.scheduler, facts)) + "\n"


def name_of(job: JobScript) -> str:
    """Return how the file of a script is called."""
    return f"{THETA}_{_stem(job)}.sh" if job.site == THETA else f"{job.site}.sh"


def write_all(directory: Path, modulefiles: str = "") -> list[Path]:
    """Write the scripts of jobs/ and return their paths; executable, since Cobalt refuses others."""
    paths = []
    for site in SITES:
        for search in THETA_SCRIPTS if site == THETA else ("ambs",):
            job = JobScript(site, search)
            path = directory / name_of(job)
            path.write_text(render(job, modulefiles))
            path.chmod(0o755)
            paths.append(path)
    return paths


def _stem(job: JobScript) -> str:
    return SEARCH_JOBS[job.search]


def _of_site(site: Site) -> Facts:
    placement, cores = site.placement, site.threads_per_core
    facts: Facts = {
        "TITLE": site.title,
        "FACTS": site.facts,
        "CHUNK": site.chunk,
        "EXPORTS": site.exports,
        "LAUNCHER": " \\\n    ".join(site.launcher),
        "PLACEMENT": (),
        "AFTERWARDS": (),
        "GPU_NUMBER": (),
        "GPU_CHECK": (),
        "GPU_OPTION": (),
        "DEPTH": (),
        "THREADS_PER_NODE": (),
        "THREADS": "1",
    }
    if site.has_depth:
        facts["DEPTH"] = f"{site.threads_per_node} / RANKS_PER_NODE"
        facts["THREADS_PER_NODE"] = str(site.threads_per_node)
        facts["THREADS"] = "$DEPTH" if cores == 1 else f"$(((DEPTH + {cores - 1}) / {cores}))"
    if site.gpus:
        gpus = _of_gpus(site)
        facts["DEPTH"] = f"{site.threads_per_node // site.sockets} / EACH"
        facts["GPU_OPTION"] = '--gpus-per-eval "$GPUS_PER_EVAL" \\'
        facts |= {name: tuple(_fill(name.lower(), gpus)) for name in ("GPU_NUMBER", "GPU_CHECK")}
        facts["PLACEMENT"] = tuple(_fill(f"placement_{placement}", gpus))
    if site.afterwards:
        facts["AFTERWARDS"] = tuple(_fill(f"afterwards_{placement}", {}))
    return facts


def _of_gpus(site: Site) -> Facts:
    num = site.sockets
    return {
        "GPUS": str(site.gpus),
        "NEAR": ":".join(site.near or site.cores),
        "CORES": " ".join(site.cores),
        "GPUS_OF_SOCKET": str(site.gpus // num),
        "WORKERS_OF_SOCKET": "WORKERS" if num == 1 else f"(WORKERS + {num - 1}) / {num}",
        "SEARCH_CORES": site.search_cores or "${bound[0]}",
    }


def _of_job(job: JobScript, site: Site) -> Facts:
    minutes = job.minutes or site.minutes
    queue = job.queue or site.queue
    directives = (f"{site.queue_option}{queue}" if queue else "", *site.directives, job.account and f"-A {job.account}")
    ranks = str(site.ranks_per_node)
    if site.gpus:
        ranks = f"$((GPUS_PER_EVAL > 0 ? {site.gpus} / GPUS_PER_EVAL + more : {site.gpus}))"
    return {
        "NAME": _stem(job) if job.site == THETA else "dhmpi",
        "FILE": name_of(job),
        "PAYS": "" if job.account else f"-A {site.account} ",
        "DIRECTIVES": tuple(text for text in directives if text),
        "NODES": str(job.nodes or site.nodes),
        "MINUTES": str(minutes),
        "TIME": f"{minutes // 60:02}:{minutes % 60:02}:00",
        "RUN": _quoted(job.run),
        "MAX_EVALS": str(job.max_evals),
        "RANKS_PER_NODE": str(job.ranks_per_node or ranks),
        "GPUS": str(site.gpus),
        "GPUS_PER_EVAL": str(job.gpus_of_eval) if site.gpus else (),
        "ARGUMENTS": _quoted(job.arguments),
        "MAX_NUMBER": str(MAX_NUMBER),
        "CHAIN": "1" if job.chain else "0",
        "INPUT": str(EXIT_INPUT),
        "INCOMPLETE": str(EXIT_INCOMPLETE),
        "NO_PROGRESS": str(EXIT_NO_PROGRESS),
    }


def _of_module(job: JobScript, site: Site, modulefiles: str) -> Facts:
    given = site.module or (MODULE if modulefiles else "")
    return {
        "MODULE": _quoted(given if job.module is None else job.module),
        "MODULES": site.modules,
        "MODULEFILES": _escaped(modulefiles) if modulefiles else (),
    }


def _of_search(job: JobScript, site: Site) -> Facts:
    if job.search == BALSAM:
        return {
            "VARIABLES": " ".join(BALSAM_VARIABLES),
            "PROBLEM": _quoted(job.problem or BALSAM_PROBLEM),
            "OUTPUT": _quoted(job.output) or BALSAM_OUTPUT,
            "SEARCH": (),
            "SEARCHES": "",
            "SEARCH_DEFAULTS": (),
            "LAUNCH": tuple(_fill("balsam", {})),
        }
    searches = [name for name in SEARCH_JOBS if name != BALSAM]
    return {
        "VARIABLES": " ".join(GPU_VARIABLES if site.gpus else VARIABLES),
        "PROBLEM": _quoted(job.problem),
        "OUTPUT": _quoted(job.output),
        "SEARCH": job.search,
        "SEARCHES": ", ".join(searches),
        "SEARCH_PATTERN": " | ".join(searches),
    }


def _quoted(value: str) -> str:
    """Return a value as it stands in ${NAME:-value}: as it is, nothing in it is expanded."""
    if not value:
        return value
    # ShellCheck thinks that $ in single quotes is a mistake.
    return f'"{_escaped(value)}"' if set(value) & set("$`") else shlex.quote(value)


def _escaped(value: str) -> str:
    """Return a value as it stands in double quotes."""
    return re.sub(r'([\\"$`])', r"\\\1", value)


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
