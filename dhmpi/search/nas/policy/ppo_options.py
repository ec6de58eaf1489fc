"""Options of the searches by agents."""

from dataclasses import dataclass

from dhmpi.search.nas.policy.policies import POLICIES
from dhmpi.search.nas.policy.rewards import RULES
from dhmpi.support.options import Setting, choice, choice_with_settings, integer, number, option

# An episode takes as long as its training and then waits for the others of its batch, while each agent takes some steps
# for each batch; this lets nearly all of them pass, and stops what has been left behind.
STALENESS_PER_AGENT = 200
POLICY_NAMES, OPTIMIZERS, SCHEDULES = tuple(POLICIES), ("adam",), ("linear", "constant")


def _of_adam(key: str) -> Setting:
    return Setting("optimizer", key, ("adam",))


def _of_policy(key: str) -> Setting:
    return Setting("policy", key, POLICY_NAMES)


@dataclass(frozen=True)
class PPOOptions:
    """Options of PPO agents; the defaults are those of DeepHyper 0.0.5 where it had any."""

    agents: int | None = option(
        None, integer(1), "agents (default: as many as ranks can be; each of them then evaluates in its own rank)"
    )
    episodes_per_batch: int | None = option(
        None,
        integer(1),
        "episodes that an agent learns from at once (default: one for each of its workers, at least 8; in step, at "
        "least 8 for all agents together)",
    )
    num_episodes: int | None = option(
        None, integer(1), "episodes of all agents, also those that needed no evaluation (default: no limit)"
    )
    reward_rule: str = option(
        "reward_for_final_timestep", choice(RULES), f"which decisions get the reward: {', '.join(RULES)}"
    )
    policy: str = option("lstm", choice_with_settings(POLICIES), f"kind of policy: {', '.join(POLICIES)}")
    units: int = option(32, integer(1), "size of its hidden layers", setting=_of_policy("units"))
    learning_rate: float = option(1e-3, number(0, exclusive=True), "step size of Adam")
    schedule: str = option(
        "linear",
        choice_with_settings(SCHEDULES),
        "how step size and clip range go down with the budget: linear, to 0 at its end, or constant",
    )
    clip: float = option(
        0.2,
        number(0, exclusive=True),
        "clip range of probability ratios",
        setting=_of_adam("clip"),
    )
    epochs: int = option(4, integer(1), "steps for each batch", setting=_of_adam("epochs"))
    gamma: float = option(0.99, number(0, maximum=1), "discount of later rewards", setting=_of_policy("gamma"))
    gae_lambda: float = option(
        0.95, number(0, maximum=1), "decay of generalised advantage estimates", setting=_of_policy("gae-lambda")
    )
    entropy_coefficient: float = option(0.01, number(0), "weight of the policy's entropy")
    entropy_floor: float = option(
        0.5,
        number(0, maximum=1),
        "share of the largest entropy that the policy is kept at, by a larger weight; goes down likewise",
        setting=Setting("schedule", "entropy-floor", SCHEDULES),
    )
    value_coefficient: float = option(1.0, number(0), "weight of the squared error of expected rewards")
    target_kl: float | None = option(
        None,
        number(0, exclusive=True),
        "a batch's steps end when the policy has moved so far (default: no limit)",
        setting=_of_adam("target-kl"),
    )
    optimizer: str = option(
        "adam", choice_with_settings(OPTIMIZERS), f"what makes steps of gradients: {', '.join(OPTIMIZERS)}"
    )
    adam_beta1: float = option(
        0.9, number(0, maximum=0.999999), "decay of its mean of gradients", setting=_of_adam("beta1")
    )
    adam_beta2: float = option(
        0.999, number(0, maximum=0.999999), "decay of its mean of their squares", setting=_of_adam("beta2")
    )
    adam_epsilon: float = option(1e-5, number(0, exclusive=True), "keeps its steps finite", setting=_of_adam("epsilon"))
    max_gradient_norm: float = option(
        0.5, number(0, exclusive=True), "longer gradients are shortened to it", setting=_of_adam("max-norm")
    )
    max_staleness: int | None = option(
        None,
        integer(0),
        "steps that the policy may have taken since it chose an architecture that is learned from, and since a "
        f"gradient was computed that is applied (default: {STALENESS_PER_AGENT} for each agent)",
    )
    agent_timeout: float = option(
        120.0, number(0, exclusive=True), "seconds of silence after which an agent is taken for dead"
    )

    def most_stale(self, num_agents: int) -> int:
        """Return the largest staleness that is allowed."""
        return STALENESS_PER_AGENT * num_agents if self.max_staleness is None else self.max_staleness
