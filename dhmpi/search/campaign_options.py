"""Options that every search has."""

import math
import os
from dataclasses import dataclass, fields

from dhmpi.control.failures import HOPELESS_LIMIT, LIMIT
from dhmpi.control.walltime import end_time
from dhmpi.evaluation import ISOLATIONS
from dhmpi.execution.context import Feedback
from dhmpi.search.stopping.settings import NAMES as STOPPERS
from dhmpi.search.stopping.settings import SMALLEST_STEP, StopperSettings
from dhmpi.support.options import Setting, choice, choice_with_settings, flag, integer, number, option, text
from dhmpi.support.resources import MethodSettings, Resources, SlotOptions

LOGS = ("all", "failures", "none")
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_LEVEL_VARIABLE = "DHMPI_LOG_LEVEL"
DEFAULT_MAX_EVALS = 100
DEFAULT_SEED = 12345
# What help lists the options of a search under, in this order.
PROBLEM, BUDGET, STOPPING, EVALUATION, RESULTS, SEARCH = (
    *("problem", "budget", "early stopping"),
    *("evaluation", "results", "search"),
)


@dataclass(frozen=True)
class CampaignOptions(SlotOptions, MethodSettings, StopperSettings):
    """Options of every campaign."""

    # --- budget
    max_evals: int | None = option(
        None,
        integer(1),
        f"evaluations to run (default: {DEFAULT_MAX_EVALS}, or no limit where --max-minutes, --end-time or "
        "--max-steps-total is given)",
        group=BUDGET,
    )
    max_minutes: float | None = option(
        None, number(0, exclusive=True), "minutes after which the search stops (default: no limit)", group=BUDGET
    )
    end_time: float | None = option(
        None,
        end_time,
        "when the search stops: 2026-11-25T06:30, or seconds since 1970 (default: shortly before the end of the job of "
        "Slurm, PBS or Cobalt that it runs in); the earliest end counts",
        group=BUDGET,
    )
    drain_seconds: float = option(
        0.0,
        number(0),
        "what an evaluation is thought to take at least; none begins later than that before the end (the durations of "
        "past ones may say more)",
        group=BUDGET,
    )
    max_failures: int | None = option(
        None,
        integer(0),
        "failures after which a campaign is given up in which nothing is DONE yet; 0: never (default: "
        f"{HOPELESS_LIMIT} that no point causes, such as a missing module or file, or {LIMIT} of any kind)",
        group=BUDGET,
    )
    target: float | None = option(
        None,
        number(-math.inf),
        "the campaign ends when an objective is at most this, or what is maximised at least (default: no target)",
        group=BUDGET,
    )
    patience: int | None = option(
        None,
        integer(1),
        "the campaign ends when so many evaluations in a row were not better than the best (default: no limit)",
        group=BUDGET,
    )
    # --- early stopping
    stopper: str = option(
        "none",
        choice_with_settings(STOPPERS),
        "what stops evaluations early, by what they report: none; auto learns from the campaign how well early values "
        "foretell the last; asha; median",
        group=STOPPING,
    )
    max_steps: float | None = option(
        None,
        number(SMALLEST_STEP),
        "last step of a full training, for the stopper and run functions (default: what was seen)",
        group=STOPPING,
    )
    max_steps_total: float | None = option(
        None,
        number(0, exclusive=True),
        "steps of all evaluations together, at which the campaign is complete (default: no limit)",
        group=STOPPING,
    )
    # --- evaluation
    num_workers: int | None = option(
        None,
        integer(1),
        "evaluations at the same time (default: one per rank other than 0; 1 without mpirun; one per core with a pool)",
        group=EVALUATION,
    )
    eval_timeout_minutes: float | None = option(
        None,
        number(0, exclusive=True),
        "minutes after which an evaluation is killed (default: no limit)",
        group=EVALUATION,
    )
    isolation: str | None = option(
        None,
        choice(ISOLATIONS),
        "with mpi and serial: process: user code runs in a child, whose crash or time-out costs one evaluation; "
        "inline: in the rank itself, which is fastest (default: process)",
        group=EVALUATION,
    )
    retries: int = option(
        2, integer(0), "how often an evaluation is begun again whose worker is lost", group=EVALUATION
    )
    # --- results
    output: str = option("results.h5", text, "results file", group=RESULTS)
    resume: bool = option(False, flag, "continue the campaign in the results file", group=RESULTS)
    overwrite: bool = option(False, flag, "replace an existing results file", group=RESULTS)
    logs: str = option(
        "all",
        choice(LOGS),
        "of which evaluations is kept what they print, up to 10 MB each: all, failures or none",
        group=RESULTS,
    )
    quiet: bool = option(False, flag, "show no progress, only the result", group=RESULTS)
    log_level: str | None = option(
        None,
        choice_with_settings(LOG_LEVELS),
        f"what is logged: {', '.join(LOG_LEVELS)} (default: what {LOG_LEVEL_VARIABLE} in the environment says, or "
        "warning)",
        group=RESULTS,
    )
    log_json: bool = option(
        False,
        flag,
        "each line is a JSON object; --log-json, without a level, says the same",
        setting=Setting("log_level", "json", LOG_LEVELS),
    )
    # --- the search
    seed: int | None = option(
        None,
        integer(0),
        f"seed of everything that is drawn at random (default: {DEFAULT_SEED}, or that of the file with --resume)",
        group=SEARCH,
    )

    @property
    def eval_limit(self) -> int | None:
        """Number of evaluations after which the campaign is complete; None without a limit."""
        limits = (self.max_evals, self.max_minutes, self.end_time, self.max_steps_total)
        if all(limit is None for limit in limits):
            return DEFAULT_MAX_EVALS
        return self.max_evals

    @property
    def resources(self) -> Resources:
        """Resources of an evaluation that is more than a process."""
        return Resources(**{field.name: getattr(self, field.name) for field in fields(Resources)})

    @property
    def slot(self) -> SlotOptions:
        """Ranks and GPUs of an evaluation."""
        return SlotOptions(self.ranks_per_eval, self.gpus_per_eval, self.gpus_per_node)

    @property
    def feedback(self) -> Feedback:
        """Feedback that evaluations get while they run."""
        return Feedback(self.stopper != "none" or self.max_steps_total is not None, self.max_steps)

    @property
    def files(self) -> str:
        """Directory of what evaluations print and write, whole, since user code may change the current one."""
        return os.path.abspath(f"{self.output}.files")

    @property
    def log_files(self) -> str | None:
        """Directory of what ranks log; None if no logs are kept."""
        return None if self.logs == "none" else self.files

    @property
    def timeout(self) -> float | None:
        """Seconds that an evaluation may take."""
        return None if self.eval_timeout_minutes is None else 60 * self.eval_timeout_minutes
