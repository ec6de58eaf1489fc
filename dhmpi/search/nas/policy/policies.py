"""The policies by name."""

from dhmpi.search.nas.policy.lstm import LSTMPolicy
from dhmpi.search.nas.policy.mlp import MLPPolicy
from dhmpi.search.nas.policy.policy import Policy

POLICIES: dict[str, type[Policy]] = {policy.name: policy for policy in (LSTMPolicy, MLPPolicy)}
