"""Rows of the results file that say what an update of a policy has done."""

import math
import time

import numpy as np

from dhmpi.results.schema import PolicyRow
from dhmpi.search.nas.policy.ppo_learner import Learned


def policy_row(rank: int, learned: Learned) -> PolicyRow:
    """Return what the results file keeps of an update."""
    rewards = np.array([each.reward for each in learned.episodes if not math.isnan(each.reward)])
    quantiles = np.quantile(rewards, (0.0, 0.1, 0.5, 0.9, 1.0)).tolist() if rewards.size else [math.nan] * 5
    smallest, q10, median, q90, largest = quantiles
    assert learned.figures is not None
    return PolicyRow(
        agent=rank,
        update=learned.number,
        version=learned.version,
        ended=time.time(),
        episodes=len(learned.episodes),
        hits=sum(each.is_hit for each in learned.episodes),
        failures=len(learned.episodes) - rewards.size,
        dropped=learned.num_dropped,
        staleness_mean=float(np.mean(learned.staleness)) if learned.staleness else math.nan,
        staleness_max=float(max(learned.staleness, default=math.nan)),
        reward_mean=float(rewards.mean()) if rewards.size else math.nan,
        reward_min=smallest,
        reward_q10=q10,
        reward_median=median,
        reward_q90=q90,
        reward_max=largest,
        **learned.figures._asdict(),
    )
