"""Names of the kinds of pictures, and what each shows; without what draws them."""

from collections.abc import Sequence

from dhmpi.errors import OptionError, did_you_mean

KINDS = {
    "incumbent": "the best value so far against evaluations; of several files, medians and quartiles by search",
    "time": "the same against the time of the runs, without pauses between them",
    "steps": "the same against the steps that evaluations took (of those that reported any)",
    "pareto": "of several objectives: every two of them, and which evaluations no other one dominates",
    "hypervolume": "of several objectives: how much of their space these dominate, against evaluations",
    "finals": "of several files: best values after as many evaluations each, by search, with a rank test",
    "targets": "of several files: how many campaigns have reached the worst search's median, and when",
    "states": "how many evaluations were done, failed, running, ... over time",
    "failures": "failures over time, by cause",
    "curves": "learning curves: what evaluations reported at each step, by state, and the best one",
    "survival": "how many evaluations were still going on at each step, and the steps that stopping saved",
    "gantt": "what each worker did, and when",
    "utilisation": "how many workers were busy over time, and the mean",
    "idle": "where the workers' time went: busy, or idle, and why",
    "models": "what proposed the points, how long asking took, and how much the models did not know",
    "importance": "how much of the variance over the whole space each dimension explains by itself (fANOVA)",
    "ped-anova": "how much each dimension sets the best tenth apart from the rest (PED-ANOVA)",
    "slices": "what was found along each dimension",
    "contours": "what a model predicts over the most important pairs of dimensions",
    "parallel": "good and bad evaluations across the dimensions (parallel coordinates)",
    "distinct": "different points, repeated ones, answers from the cache, and the share of the space",
    "rewards": "moving average and quantiles of what was found",
    "learning": "what agents learned: entropy, KL divergence, clipped decisions, staleness",
}
# Those that compare several files.
SEVERAL = ("incumbent", "time", "steps", "finals", "targets")


def check_kinds(kinds: Sequence[str]) -> None:
    """Check names of kinds.

    Raises:
        OptionError: There is no such kind.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise OptionError(f"no such file or picture: {kind!r}; {did_you_mean(kind, KINDS)}")
