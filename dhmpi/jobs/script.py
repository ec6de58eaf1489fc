"""Job scripts: six blocks in one order, for a site and a search."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from dhmpi.errors import EXIT_INCOMPLETE, EXIT_NO_PROGRESS, OptionError
from dhmpi.jobs.schedulers import SCHEDULERS, VARIABLES, Scheduler
from dhmpi.jobs.sites import BALSAM, BALSAM_SITE, PRINTED, SEARCH_JOBS, SITES, SearchJob, Site

MAX_EVALS = 1000


@dataclass(frozen=True)
class JobScript:
    """A script to be written; what is None is as the site or the search says.

    Attributes:
        site: Name of the site.
        search: Name of the search, or balsam.
        nodes: How many it gets.
        minutes: How long it lasts.
        ranks_per_node: Ranks on each node.
        account: Who pays; the script names nobody if it is empty.
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
    if job.search == BALSAM and job.site != BALSAM_SITE:
        raise OptionError(f"--search {BALSAM} must come with --site {BALSAM_SITE}, got --site {job.site}")
    site, search = SITES[job.site], SEARCH_JOBS[job.search]
    scheduler = SCHEDULERS[site.scheduler]
    launch = _launch_balsam() if job.search == BALSAM else _launch(job.search, site)
    blocks = (
        _directives(job, site, search, scheduler),
        _submit(job, site, search, scheduler),
        ["# --- modules", *site.modules, '[ -z "$MODULE" ] || module load "$MODULE"'],
        _environment(site, scheduler),
        ["# --- launch line", *launch],
        _exit(scheduler),
    )
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def name_of(job: JobScript) -> str:
    """Return how the file of a script is called."""
    return f"{job.site}_{SEARCH_JOBS[job.search].stem}.sh"


def write_all(directory: Path) -> list[Path]:
    """Write the scripts of jobs/ and return their paths; executable, since Cobalt refuses others."""
    paths = []
    for site, searches in PRINTED.items():
        for search in searches:
            job = JobScript(site, search)
            path = directory / name_of(job)
            path.write_text(render(job))
            path.chmod(0o755)
            paths.append(path)
    return paths


def _directives(job: JobScript, site: Site, search: SearchJob, scheduler: Scheduler) -> list[str]:
    minutes = job.minutes or site.minutes
    fields = {
        "name": search.stem,
        "nodes": job.nodes or site.nodes,
        "chunk": site.chunk,
        "minutes": minutes,
        "time": f"{minutes // 60:02}:{minutes % 60:02}:00",
    }
    queue = re.sub(r"[^ =]*$", job.queue, site.queue or scheduler.queue, count=1) if job.queue else site.queue
    asked = [*(text.format(**fields) for text in scheduler.asked), queue, *site.directives]
    asked.append(f"-A {job.account}" if job.account else "")
    return ["#!/bin/bash -l", *(f"{scheduler.mark} {text}" for text in asked if text)]


def _submit(job: JobScript, site: Site, search: SearchJob, scheduler: Scheduler) -> list[str]:
    account = "" if job.account else " -A PROJECT"
    defaults = (
        job.problem or search.problem,
        job.run,
        str(job.max_evals),
        job.output or search.output,
        str(job.ranks_per_node or site.ranks_per_node),
        "1" if job.chain else "0",
        "",
    )
    return [
        f"# --- submit: {scheduler.submit}{account} jobs/{name_of(job)}",
        f"#     or, for example: {scheduler.submit}{account} {scheduler.settings} jobs/{name_of(job)}",
        f"# {site.title}.",
        *(f"# {fact}" for fact in site.facts),
        *(f"{name}=${{{name}:-{_quoted(value)}}}" for name, value in zip(VARIABLES, defaults, strict=False)),
        f"MODULE=${{MODULE-{site.module}}}",
    ]


def _quoted(value: str) -> str:
    """Return a value as it stands in ${NAME:-value}; $PWD may be expanded."""
    return value if not value or re.fullmatch(r"\$PWD/[\w.-]+", value) else shlex.quote(value)


def _environment(site: Site, scheduler: Scheduler) -> list[str]:
    depth = f"DEPTH=$(({site.threads_per_node} / RANKS_PER_NODE)) # hardware threads of each rank"
    return [
        "# --- environment",
        *scheduler.enter,
        f"NODES={scheduler.num_nodes}",
        "RANKS=$((NODES * RANKS_PER_NODE))",
        *([f"TASK={scheduler.task}", *_OWN_OUTPUT] if scheduler.task else ()),
        *([depth] if "$DEPTH" in " ".join(site.launcher) else []),
        *(f"export {name}={value} # {why}" for name, value, why in site.environment),
    ]


# Once, also in a successor, which gets the name that its predecessor has made.
_OWN_OUTPUT = (
    'if [ -n "$TASK" ]; then # each task of a job array has a results file of its own',
    "    OUTPUT=${OUTPUT%.h5}",
    '    OUTPUT=${OUTPUT%-"$TASK"}-$TASK.h5',
    "fi",
)
# A job that is ended from outside has no successor: somebody wants the chain to end. When the search has ended, bash
# runs the rest of the script nevertheless.
_BEFORE = (
    "began=$(date +%s)",
    "resume=()",
    '[ ! -e "$OUTPUT" ] || resume=(--resume) # the campaign in it goes on',
    'read -ra arguments <<< "$ARGUMENTS"',
    "trap CHAIN=0 TERM # somebody ends this job",
)


def _launch(search: str, site: Site) -> list[str]:
    *launcher, last = site.launcher
    words = [
        *launcher,
        f'{last} {search} --problem "$PROBLEM" ${{RUN:+--run "$RUN"}}',
        '--max-evals "$MAX_EVALS" --output "$OUTPUT" "${resume[@]}" "${arguments[@]}"',
    ]
    quoted = any("'" in word for word in launcher)
    note = ["# shellcheck disable=SC2016  # expanded by each rank"] if quoted else []
    return [*_BEFORE, *note, " \\\n    ".join(words), "status=$?"]


def _launch_balsam() -> list[str]:
    """Return the workflow that was documented for Theta: the search is a job, and so is each of its evaluations."""
    return [
        *_BEFORE,
        "DATABASE=${DATABASE:-testdb}",
        "WORKFLOW=${WORKFLOW:-AMBS}",
        '[ -d "$DATABASE" ] || balsam init "$DATABASE"',
        "# shellcheck source=/dev/null",
        'source balsamactivate "$DATABASE"',
        'balsam ls apps | grep -qw AMBS || balsam app --name AMBS --executable "$DH_AMBS"',
        "# else the search of an earlier job, which Balsam has noted as timed out, would run too",
        'balsam rm jobs --force --wf-filter "$WORKFLOW" --name search',
        'balsam job --yes --name search --application AMBS --workflow "$WORKFLOW" \\',
        '    --node-packing-count "$RANKS_PER_NODE" \\',
        '    --args "--evaluator balsam --num-workers $((RANKS - 1)) --node-packing-count $RANKS_PER_NODE \\',
        "    --problem $PROBLEM ${RUN:+--run $RUN} --max-evals $MAX_EVALS \\",
        '    --output $OUTPUT ${resume[*]} ${arguments[*]}"',
        'balsam launcher --wf-filter "$WORKFLOW" --job-mode serial \\',
        "    --time-limit-minutes $(((COBALT_ENDTIME - began) / 60 - 2))",
        "status=$?",
        "# shellcheck source=/dev/null",
        "source balsamdeactivate",
    ]


def _exit(scheduler: Scheduler) -> list[str]:
    *prepare, submit = scheduler.successor
    return [
        "# --- exit status: success is proved by the mark in the results file, not by what a launcher returns",
        'dhmpi show "$OUTPUT" --is-complete --since "$began"',
        "case $? in",
        "    0) exit 0 ;; # complete",
        f"    {EXIT_INCOMPLETE}) # not complete, but evaluations have ended in this job",
        '        if [ "$CHAIN" = 1 ]; then',
        *(f"            {line}" for line in prepare),
        f"            {submit} && exit 0",
        "        fi",
        "        ;;",
        f"    {EXIT_NO_PROGRESS})",
        '        [ "$CHAIN" != 1 ] ||',
        '            echo "the chain ends: nothing has come of this job, and nothing would of the next one" >&2',
        "        ;;",
        "esac",
        f'[ "$status" != 0 ] || status={EXIT_INCOMPLETE} # submit this script again to continue',
        'exit "$status"',
    ]
