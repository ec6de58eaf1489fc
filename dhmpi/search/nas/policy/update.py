"""One update of a policy from a batch of episodes: proximal policy optimisation (Schulman et al. 2017).

    L = -E[w min(r A, clip(r, 1 - c, 1 + c) A)] - c_e H + c_v E[(V - A - V_0)^2],    r = pi / pi_0,    w = pi_0 / mu

pi is the policy being improved, pi_0 the one at the beginning of the update, mu the one that had played the episode,
which differs from pi_0 if that was a while ago (Hilton et al. 2021, equation 3; w is cut off as in V-trace, Espeholt et
al. 2018). Everything that agents have to agree on is asked for, so that the same code serves one agent, several that
average their gradients, and several that send them to a server.
"""

import math
from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dhmpi.search.nas.policy.advantage import advantages
from dhmpi.search.nas.policy.parameters import Vector
from dhmpi.search.nas.policy.policy import Actions, Floats, Pass, Policy, chosen
from dhmpi.search.nas.policy.ppo_options import PPOOptions
from dhmpi.search.nas.policy.rewards import RULES, Moments, Scale

# Keeps the normalised advantages of rewards that are all alike small; those of others have a deviation of about 1.
ADVANTAGE_EPSILON = 1e-3
# Largest weight of a decision that the policy would take more often now than when it was taken.
LARGEST_WEIGHT = 2.0


class Batch(NamedTuple):
    """Batch of whole episodes.

    Attributes:
        actions: Choices, shape (decisions, episodes).
        log_probabilities: Those of the actions, under the policies that chose them, shape (decisions, episodes).
        rewards: Reward of each episode, shape (episodes,); NaN for one that failed.
    """

    actions: Actions
    log_probabilities: Floats
    rewards: NDArray[np.float64]


class Share(NamedTuple):
    """Asks for the scale of all rewards so far; answered by a `Scale`.

    Attributes:
        scale: The rewards of this batch.
    """

    scale: Scale


class Pool(NamedTuple):
    """Asks for the moments of all agents that update together; answered by `Moments`.

    Attributes:
        moments: Those of this agent.
    """

    moments: Moments


class UpdateStep(NamedTuple):
    """Asks for a step of the policy; answered by `Stepped`.

    Attributes:
        gradient: This agent's part of the mean over all agents that update together.
        learning_rate: Size of the step.
    """

    gradient: Vector
    learning_rate: float


class Stepped(NamedTuple):
    """The policy after a step.

    Attributes:
        parameters: Its parameters, which do not change any more.
        version: How many steps it has taken.
        gradient_norm: Norm of the gradient before it was shortened; not-a-number for one that was not applied.
    """

    parameters: Vector
    version: int
    gradient_norm: float


class Figures(NamedTuple):
    """Figures of an update: means over the decisions of this agent in the last epoch, but for the last four."""

    loss: float
    policy_loss: float
    value_loss: float
    entropy: float
    kl: float
    clip_fraction: float
    explained_variance: float
    gradient_norm: float
    learning_rate: float
    epochs: int


Request = Share | Pool | UpdateStep
Update = Generator[Request, Any, Figures]


def update(policy: Policy, parameters: Vector, batch: Batch, options: PPOOptions, known: Scale | None = None) -> Update:
    """Improve a policy; yield what is asked for, and expect the answer.

    Args:
        policy: What the parameters belong to.
        parameters: Those of the policy now.
        batch: Episodes to learn from; perhaps none, where other agents have some.
        options: How.
        known: The rewards of all agents before this batch, as far as is known.
    """
    failed = np.isnan(batch.rewards)
    scale: Scale = yield Share(Scale.of((known or Scale()).tame(batch.rewards[~failed])))
    # A failure is as bad as the worst that was ever seen; before any success there is nothing to learn from it.
    rewards = np.where(failed, scale.worst if math.isfinite(scale.worst) else 0.0, batch.rewards)
    before = policy.evaluate(parameters, batch.actions)
    spread = RULES[options.reward_rule](scale.apply(rewards), policy.num_decisions)
    found = advantages(spread, before.values.astype(np.float64), options.gamma, options.gae_lambda)
    moments: Moments = yield Pool(Moments.of(found))
    if not moments.num:
        return _NO_FIGURES  # no agent has an episode, and Adam's momentum alone must not move the policy
    factor = max(1.0 - scale.progress, 0.0) if options.schedule == "linear" else 1.0
    start = chosen(before.log_probabilities, batch.actions)
    # As long as all rewards are alike, advantages are nothing but errors of the values; made as large as any by their
    # deviation, they would lead the policy anywhere.
    normalised = (
        np.zeros_like(found) if scale.is_flat else (found - moments.mean) / (moments.deviation + ADVANTAGE_EPSILON)
    )
    problem = _Problem(
        batch.actions,
        old=start,
        weights=np.exp(np.minimum(start - batch.log_probabilities, math.log(LARGEST_WEIGHT))),
        advantages=normalised,
        targets=found + before.values,
        num=max(moments.num, 1.0),
        clip=options.clip * factor,
    )
    learning_rate, norms, now = options.learning_rate * factor, [], before
    for epoch in range(options.epochs):
        if epoch and options.target_kl is not None:
            divergences: Moments = yield Pool(Moments.of(start - chosen(now.log_probabilities, batch.actions)))
            if divergences.mean > options.target_kl:
                break
        by_logits, by_values = _derivatives(problem, now, options)
        gradient = policy.gradient(parameters, now.tape, by_logits, by_values)
        stepped: Stepped = yield UpdateStep(gradient, learning_rate)
        parameters = stepped.parameters
        norms.append(stepped.gradient_norm)
        now = policy.evaluate(parameters, batch.actions)
    figures = _figures(problem, now, options)
    return figures._replace(
        explained_variance=_explained(before.values, problem.targets),
        gradient_norm=_mean(np.array(norms)[np.isfinite(norms)]),
        learning_rate=learning_rate,
        epochs=len(norms),
    )


class _Problem(NamedTuple):
    """Loss of a batch as a function of the policy; arrays have the shape (decisions, episodes)."""

    actions: Actions
    old: Floats
    weights: Floats
    advantages: Floats
    targets: Floats
    num: float
    clip: float


def _derivatives(problem: _Problem, now: Pass, options: PPOOptions) -> tuple[Floats, Floats]:
    """Return the derivatives of the loss by logits and values."""
    probabilities = np.exp(now.log_probabilities)
    ratios = np.exp(chosen(now.log_probabilities, problem.actions) - problem.old)
    clipped = np.clip(ratios, 1 - problem.clip, 1 + problem.clip)
    # Where the clipped product is the smaller one it is constant.
    counts = ratios * problem.advantages <= clipped * problem.advantages
    by_log_probability = np.where(counts, -problem.weights * problem.advantages * ratios, 0.0)
    by_logits = -by_log_probability[..., None] * probabilities
    places = problem.actions[..., None]
    here = np.take_along_axis(by_logits, places, axis=-1) + by_log_probability[..., None]
    np.put_along_axis(by_logits, places, here, axis=-1)
    logs = np.where(probabilities > 0, now.log_probabilities, 0.0)
    entropies = -(probabilities * logs).sum(axis=-1, keepdims=True)
    by_logits += options.entropy_coefficient * probabilities * (logs + entropies)
    by_values = 2 * options.value_coefficient * (now.values - problem.targets)
    dtype = now.values.dtype
    return (by_logits / problem.num).astype(dtype), (by_values / problem.num).astype(dtype)


_NO_FIGURES = Figures(
    loss=math.nan,
    policy_loss=math.nan,
    value_loss=math.nan,
    entropy=math.nan,
    kl=math.nan,
    clip_fraction=math.nan,
    explained_variance=math.nan,
    gradient_norm=math.nan,
    learning_rate=math.nan,
    epochs=0,
)


def _figures(problem: _Problem, now: Pass, options: PPOOptions) -> Figures:
    """Return the parts of the loss; nothing but not-a-number for an empty batch."""
    taken = chosen(now.log_probabilities, problem.actions)
    ratios = np.exp(taken - problem.old)
    clipped = np.clip(ratios, 1 - problem.clip, 1 + problem.clip)
    policy_loss = -_mean(problem.weights * np.minimum(ratios * problem.advantages, clipped * problem.advantages))
    probabilities = np.exp(now.log_probabilities)
    logs = np.where(probabilities > 0, now.log_probabilities, 0.0)
    entropy = _mean(-(probabilities * logs).sum(axis=-1))
    value_loss = _mean(np.square(now.values - problem.targets))
    return Figures(
        loss=policy_loss - options.entropy_coefficient * entropy + options.value_coefficient * value_loss,
        policy_loss=policy_loss,
        value_loss=value_loss,
        entropy=entropy,
        kl=_mean(problem.old - taken),
        clip_fraction=_mean(np.abs(ratios - 1) > problem.clip),
        explained_variance=math.nan,
        gradient_norm=math.nan,
        learning_rate=math.nan,
        epochs=0,
    )


def _explained(values: Floats, targets: Floats) -> float:
    """Return which share of the variance of what came was expected; 1 is all of it."""
    variance = float(targets.var()) if targets.size else 0.0
    return 1.0 - _mean(np.square(targets - values)) / variance if variance > 0 else math.nan


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if values.size else math.nan
