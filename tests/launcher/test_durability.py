"""The whole job is killed at random moments: nothing that was reported finished is lost."""

import pytest

pytestmark = [pytest.mark.launcher, pytest.mark.timeout(150)]


@pytest.mark.parametrize(("isolation", "seed"), [("process", 1), ("inline", 2)])
def test_nothing_is_lost(isolation, seed, durability, tmp_path):
    tally = durability.measure(isolation, kills=5, seed=seed, max_evals=500, directory=tmp_path)
    assert tally.kills == 5
    assert tally.lost == 0
    assert tally.faults == []
    assert tally.open_failed == 0
    assert tally.exact == tally.campaigns > 0
    assert tally.found > 300  # it did look
    assert tally.opened > 60


def test_what_counts_as_reported(durability, tmp_path):
    """A process that begins its next evaluation has been heard of."""
    path = tmp_path / "started.txt"
    path.write_text("11 0\n12 1\n11 2\n11 3\n12 4\n")
    assert durability.reported_finished(path) == {0, 1, 2}
