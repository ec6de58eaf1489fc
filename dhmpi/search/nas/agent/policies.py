"""The policies by name."""

from dhmpi.search.nas.agent.lstm import LSTMPolicy
from dhmpi.search.nas.agent.mlp import MLPPolicy
from dhmpi.search.nas.agent.policy import Policy

POLICIES: dict[str, type[Policy]] = {policy.name: policy for policy in (LSTMPolicy, MLPPolicy)}
