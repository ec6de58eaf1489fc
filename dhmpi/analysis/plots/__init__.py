"""Pictures of campaigns: functions that draw a campaign into Matplotlib's Axes, and return these."""

from dhmpi.analysis.plots.agents import distinct, learned, rewards
from dhmpi.analysis.plots.convergence import failures, finals, incumbent, states, targets
from dhmpi.analysis.plots.points import contours, importance, parallel, slices
from dhmpi.analysis.plots.reported import learning, stopped
from dhmpi.analysis.plots.view import View
from dhmpi.analysis.plots.workers import ages, gantt, idle, models, utilisation

__all__ = [
    "View",
    "ages",
    "contours",
    "distinct",
    "failures",
    "finals",
    "gantt",
    "idle",
    "importance",
    "incumbent",
    "learned",
    "learning",
    "models",
    "parallel",
    "rewards",
    "slices",
    "states",
    "stopped",
    "targets",
    "utilisation",
]
