import math

import h5py
import numpy as np
import pytest

from dhmpi import results
from dhmpi.results import Metadata, ResultsStore
from dhmpi.results.policy_log import PolicyLog
from dhmpi.results.schema import POLICY_COLUMNS, STATE_COLUMNS, PolicyRow


def row(agent=1, update=0, **values):
    fields = dict.fromkeys(PolicyRow._fields, 0.5) | {"agent": agent, "update": update} | values
    return PolicyRow(**fields)


STATE = {name: np.arange(6, dtype=np.float32) + number for number, name in enumerate(c.name for c in STATE_COLUMNS)}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.h5"


@pytest.fixture
def store(path):
    return ResultsStore.create(path, Metadata("ppo-sync", "p", {"a": [0, 1]}))


def test_the_columns_are_the_fields_of_a_row():
    assert tuple(column.name for column in POLICY_COLUMNS) == PolicyRow._fields
    assert {column.dtype for column in POLICY_COLUMNS} == {"int32", "int64", "float64"}
    assert [column.unit for column in POLICY_COLUMNS if column.name == "entropy"] == ["nat"]


def test_updates_and_policy_come_back(store, path):
    store.learned([row(1, 0, entropy=2.5, reward_mean=math.nan), row(2, 0)])
    store.keep_policy(STATE, 7)
    store.learned([row(1, 1, entropy=2.0)])
    store.close("done")
    found = results.read(path).policy
    assert [(each.agent, each.update, each.entropy) for each in found.rows()] == [(1, 0, 2.5), (2, 0, 0.5), (1, 1, 2.0)]
    assert math.isnan(found.rows()[0].reward_mean)
    assert found.version == 7
    for name, values in STATE.items():
        np.testing.assert_array_equal(found.state[name], values)
        assert found.state[name].dtype == np.float32


def test_updates_that_are_only_in_the_journal_come_back(store, path):
    store.learned([row(1, 0)])
    store.commit()
    store.learned([row(1, 1), row(1, 2)])
    store.commit()
    assert len(h5py.File(path)["evaluations/id"]) == 0
    assert "policy" not in h5py.File(path)
    assert [each.update for each in results.read(path).policy.rows()] == [0, 1, 2]
    assert not results.read(path).policy.state  # it is in snapshots alone


def test_a_kept_policy_makes_the_next_snapshot_due(store, path):
    store.keep_policy(STATE, 3)
    store.commit(now=1e9)
    assert results.read(path).policy.version == 3


def test_a_campaign_that_is_resumed_goes_on_with_both(store, path):
    store.learned([row(1, 0)])
    store.keep_policy(STATE, 4)
    store.snapshot()
    store.learned([row(1, 1)])
    store.commit()
    store.abandon()
    again = ResultsStore.resume(path, store.metadata)
    assert again.policy.num_updates(1) == 2
    assert again.policy.version == 4
    again.learned([row(1, 2)])
    again.close("done")
    assert [each.update for each in results.read(path).policy.rows()] == [0, 1, 2]


def test_an_update_that_is_there_already_is_passed_over():
    log = PolicyLog()
    log.append([row(1, 0), row(1, 1), row(1, 1), row(2, 0), row(1, 0)])
    assert [(each.agent, each.update) for each in log.rows()] == [(1, 0), (1, 1), (2, 0)]


def test_the_file_is_flat_and_says_what_it_holds(store, path):
    store.learned([row(3, number) for number in range(5)])
    store.keep_policy(STATE, 2)
    store.close("done")
    with h5py.File(path) as file:
        assert file["policy/agent"].dtype == np.int32
        assert file["policy/update"][()].tolist() == [0, 1, 2, 3, 4]
        assert file["policy/entropy"].attrs["unit"] == "nat"
        assert file["policy/state"].attrs["version"] == 2
        assert file["policy/state/parameters"].shape == (6,)


def test_a_search_without_agents_has_none(path):
    ResultsStore.create(path, Metadata("ambs", "p", {"a": [0, 1]})).close("done")
    assert not results.read(path).policy
    assert "policy" not in h5py.File(path)
    assert results.load_policy(path).empty


def test_as_a_data_frame(store, path):
    store.learned([row(1, 0, entropy=2.5), row(1, 1)])
    store.close("done")
    frame = results.load_policy(path)
    assert frame["entropy"].tolist() == [2.5, 0.5]
    assert frame["update"].dtype == np.int64
