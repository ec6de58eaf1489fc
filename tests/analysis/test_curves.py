import numpy as np
import pytest
from contracts.campaigns import begun_again, campaign, evaluation, run

from dhmpi.analysis import curves
from dhmpi.analysis.curves import Curve
from dhmpi.analysis.duplicates import duplicates, keys, space_size
from dhmpi.analysis.lanes import lanes, shares
from dhmpi.analysis.timeline import Timeline
from dhmpi.evaluation import Evaluation, Origin, State
from dhmpi.results import Metadata, Results
from dhmpi.results.columns import Columns
from dhmpi.results.schema import PolicyRow
from dhmpi.results.table import STATES, EvaluationTable


def test_incumbent_by_evaluations_counts_failures():
    found = campaign(
        [
            evaluation(0, 0, 2, state=State.FAILED),
            evaluation(1, 0, 4, 5.0),
            evaluation(2, 2, 6, 7.0),
            evaluation(3, 4, 8, 3.0),
            evaluation(4, 6, 9, 4.0),
        ]
    )
    assert [column.tolist() for column in curves.incumbent(found)] == [[2, 4, 5], [5, 3, 3]]
    assert [column.tolist() for column in curves.incumbent(found, "seconds")] == [[4, 8, 10], [5, 3, 3]]


def test_rewards_are_shown_as_they_are():
    found = campaign([evaluation(0, 0, 2, -5.0), evaluation(1, 0, 4, -7.0)], maximises=True)
    assert curves.incumbent(found).y.tolist() == [5.0, 7.0]
    assert curves.values(found).tolist() == [5.0, 7.0]


def test_results_count_in_the_order_in_which_they_came():
    ended = [evaluation(0, 0, 9, 1.0, order=1), evaluation(1, 0, 2, 4.0, order=0)]
    assert curves.incumbent(campaign(ended)).y.tolist() == [4.0, 1.0]
    old = [each._replace(order=-1) for each in ended]  # of schema 1
    assert curves.incumbent(campaign(old)).y.tolist() == [4.0, 1.0]


def test_pauses_between_runs_are_left_out():
    found = campaign(
        [evaluation(0, 0, 5, 3.0), evaluation(1, 1001, 1002, 2.0)], [run(0.0, 10.0), run(1000.0, 1010.0, 4)]
    )
    assert curves.incumbent(found, "seconds").x.tolist() == [5.0, 12.0, 20.0]
    timeline = Timeline(found)
    assert timeline.seconds(np.array([3.0, 500.0, 1003.0, 5000.0])).tolist() == [3.0, 10.0, 13.0, 20.0]
    assert (timeline.duration, timeline.available) == (20.0, 60.0)


@pytest.mark.parametrize("skew", [-3600.0, 0.0, 3600.0])
def test_clocks_of_hosts_may_be_wrong(skew):
    late = evaluation(0, 1.0 + skew, 6.0 + skew, submitted=1.0, host="a")
    timeline = Timeline(campaign([late, evaluation(1, 2.0, 3.0, host="b")]))
    assert timeline.spans.start.tolist() == [1.0, 2.0]
    assert timeline.spans.end.tolist() == [6.0, 3.0]


@pytest.mark.parametrize("is_killed", [False, True])
def test_what_began_again_was_evaluated_before_too(is_killed):
    found = begun_again(is_killed)
    timeline = Timeline(found)
    spans = timeline.spans
    assert (spans.row.tolist(), spans.rank.tolist()) == ([0, 0, 1, 1], [1, 2, 2, 1])
    assert (spans.start.tolist(), spans.end.tolist()) == ([0, 10, 0, 10], [10, 20, 10, 20])
    assert spans.is_last.tolist() == [False, True, False, True]
    assert curves.utilisation(found, timeline, 4).busy.tolist() == [2, 2, 2, 2]
    assert curves.utilisation(found).mean == 1.0
    lane = lanes(found)
    assert lane.names == ["rank 1, a", "rank 2, b"]
    assert [STATES[code] for code in lane.state.tolist()][:2] == [State.PAUSED, State.DONE]


def test_the_clock_of_a_host_is_that_of_what_began_there():
    """It is an hour ahead; what it had paused went on elsewhere."""
    table = EvaluationTable(["x"])
    table.submit([Evaluation(0, {"x": 0.5}, submitted=1.0)])
    table.finish([Evaluation(0, {}, None, State.PAUSED, started=3601.0, ended=3606.0, rank=1, host="ahead")])
    table.submit([Evaluation(0, {"x": 0.5}, submitted=7.0, started=7.0, rank=2, host="right")])
    table.finish([Evaluation(0, {}, 1.0, State.DONE, started=7.0, ended=9.0, rank=2, host="right")])
    found = Results(campaign([]).metadata, Columns.of(table))
    assert (Timeline(found).spans.start.tolist(), Timeline(found).spans.end.tolist()) == ([1.0, 7.0], [6.0, 9.0])


def test_states_are_those_of_their_time():
    """Paused and cancelled until they went on; and what was redone had ended once."""
    found = curves.states(begun_again(), num=5)
    assert found.x.tolist() == [0, 5, 10, 15, 20]
    assert found.running.tolist() == [2, 2, 2, 2, 0]
    assert {state: num.tolist() for state, num in found.ended.items()} == {
        State.DONE: [0, 0, 0, 0, 2],
        State.PAUSED: [0, 0, 0, 0, 0],
        State.CANCELLED: [0, 0, 0, 0, 0],
    }
    table = begun_again().columns.table()
    table.take_back([1])
    redone = Results(begun_again().metadata, Columns.of(table))
    assert curves.states(redone, num=5).ended[State.DONE].tolist() == [0, 0, 0, 0, 2]
    assert curves.utilisation(redone).mean == 1.0


def test_what_was_paused_waits_until_it_is_sent_off_again():
    table = EvaluationTable(["x"])
    table.submit([Evaluation(0, {"x": 0.5}, submitted=0.0)])
    table.finish([Evaluation(0, {}, None, State.LOST, started=0.0, ended=2.0, rank=1)])
    table.submit([Evaluation(0, {"x": 0.5}, submitted=6.0)])
    found = curves.states(Results(campaign([]).metadata, Columns.of(table)), num=6)
    assert found.x.tolist() == [0, 2, 4, 6, 8, 10]
    assert found.ended[State.LOST].tolist() == [0, 1, 1, 0, 0, 0]
    assert found.running.tolist() == [1, 0, 0, 0, 0, 0]
    assert found.waiting.tolist() == [0, 0, 0, 1, 1, 1]


def test_what_waits_long_is_no_wrong_clock():
    timeline = Timeline(campaign([evaluation(0, 5.0, 6.0, submitted=1.0, host="a")]))
    assert timeline.spans.start.tolist() == [5.0]


def test_band_of_quartiles_is_where_all_have_a_value():
    steps = [Curve(np.array([k, 5.0]), np.array([k, 0.0])) for k in (1.0, 2.0, 3.0)]
    found = curves.band(steps, is_whole=True)
    assert found.x.tolist() == [3, 4, 5]
    assert (found.median[0], found.lower[0], found.upper[0], found.num) == (2.0, 1.5, 2.5, 3)
    assert found.median[-1] == 0.0
    nothing = Curve(np.empty(0), np.empty(0))
    assert curves.band([nothing]).num == 0
    assert len(curves.band([Curve(np.array([1.0]), np.ones(1)), Curve(np.array([2.0]), np.ones(1))]).x) == 0


def test_states_over_time():
    found = campaign(
        [
            evaluation(0, 0, 4, submitted=0.0),
            evaluation(1, 2, 6, state=State.FAILED, submitted=1.0),
            evaluation(2, 5, None, state=State.RUNNING, submitted=5.0),
        ],
        [run(0.0, None)],
    )
    timeline = Timeline(found, now=10.0)
    shown = curves.states(found, timeline, num=11)
    assert shown.x.tolist() == list(range(11))
    assert shown.ended[State.DONE].tolist() == [0] * 4 + [1] * 7
    assert shown.ended[State.FAILED].tolist() == [0] * 6 + [1] * 5
    assert shown.running.tolist() == [1, 1, 2, 2, 1, 2, 1, 1, 1, 1, 1]
    assert shown.waiting.tolist() == [0, 1] + [0] * 9


def test_utilisation_is_exact_in_each_interval():
    found = campaign([evaluation(0, 0, 5, rank=1), evaluation(1, 4, 10, rank=2)])
    shown = curves.utilisation(found, num=5)
    assert shown.edges.tolist() == [0, 2, 4, 6, 8, 10]
    assert shown.busy.tolist() == [1.0, 1.0, 1.5, 1.0, 1.0]
    assert shown.available.tolist() == [2.0] * 5
    assert shown.mean == pytest.approx(11 / 20)
    resumed = campaign([], [run(0.0, 10.0, 2), run(20.0, 30.0, 4)])
    assert curves.utilisation(resumed, num=4).available.tolist() == [2, 2, 4, 4]


def test_failures_by_cause_over_time():
    errors = ["ValueError: 0.25 is bad", "killed by SIGKILL", "ValueError: 0.5 is bad"]
    found = campaign(
        [evaluation(number, number, number + 1, state=State.FAILED, error=error) for number, error in enumerate(errors)]
    )
    causes = curves.failures(found)
    assert [(cause.line, cause.rows.tolist(), cause.seconds.tolist()) for cause in causes] == [
        ("ValueError: 0.25 is bad", [0, 2], [1.0, 3.0]),
        ("killed by SIGKILL", [1], [2.0]),
    ]


def test_origins_and_the_age_of_models():
    statistics = {"ask_median": 0.5, "ask_p90": "much", "mode": "gp"}
    found = campaign(
        [evaluation(0, 0, 1, origin=Origin("start")), evaluation(1, 2, 3, origin=Origin("gp", 7, 5))],
        statistics=statistics,
    )
    shown = curves.origins(found)
    assert (shown.names, shown.codes.tolist(), shown.latency) == (["start", "gp"], [0, 1], {"ask_median": 0.5})
    assert np.isnan(shown.age[0])
    assert (shown.age[1], shown.submitted[1]) == (2.0, 2.0)


def test_learning_by_episodes():
    found = campaign([])
    row = PolicyRow(*[0.0] * len(PolicyRow._fields))
    found.policy.append(
        [row._replace(agent=1, ended=4.0, episodes=8), row._replace(agent=2, ended=2.0, episodes=4, entropy=1.5)]
    )
    shown = curves.learning(found)
    assert (shown.episodes.tolist(), shown.seconds.tolist()) == ([4, 12], [2.0, 4.0])
    assert shown.columns["entropy"].tolist() == [1.5, 0.0]


def test_rolling_mean_of_the_latest():
    found = campaign([evaluation(number, 0, 1, float(number)) for number in range(4)])
    shown = curves.rolling(found, window=2)
    assert (shown.x.tolist(), shown.mean.tolist(), shown.window) == ([2, 3, 4], [0.5, 1.5, 2.5], 2)
    assert shown.upper.tolist() == pytest.approx([0.9, 1.9, 2.9])


def test_duplicates_and_hits_of_the_cache():
    found = campaign(
        [
            evaluation(0, 0, 2, x=0.0),
            evaluation(1, 0, 3, x=0.5),
            evaluation(2, 3, 3, x=-0.0),  # answered by the first
            evaluation(3, 3, 5, x=0.5),  # run again
        ]
    )
    shown = duplicates(found)
    assert shown.distinct.tolist() == [1, 2, 2, 2]
    assert shown.hits.tolist() == [0, 0, 1, 1]
    assert shown.size is None


def test_equal_points_have_equal_keys():
    values = [1, 1.0, True, "1", None, [1, "a"], [1, "b"], "é", 10**30]
    space = {"x": values, "n": (0, 5)}
    points = [{"x": value, "n": 3} for value in values] + [{"x": "1", "n": 4}]
    found = Results.of(Metadata("s", "p", space), [Evaluation(k, point) for k, point in enumerate(points)])
    numbers = keys(found.columns)
    assert numbers[0] == numbers[1]
    assert len(set(numbers.tolist())) == len(points) - 1
    assert space_size(found) == (len(values) - 1) * 6


def test_lanes_are_ranks_or_groups_with_their_gpus():
    roles = {
        "has_agents": False,
        "has_server": False,
        "groups": [{"leader": 0, "workers": "1-4"}],
        "nodes": [{"host": "a", "ranks": "0-4"}],
        "teams": ["1-2", "3-4"],
        "gpus": [{"host": "a", "devices": {"0": "1-2", "1": "3-4"}}],
    }
    found = campaign([evaluation(0, 0, 4, rank=3), evaluation(1, 5, 10, rank=3)], [run(0.0, 10.0, roles=roles)])
    shown = lanes(found)
    assert shown.names[0].startswith("ranks 1-2, GPU")
    assert shown.names[1].startswith("ranks 3-4, GPU")
    assert shown.lane.tolist() == [1, 1]
    assert shares(shown, 2, 2).tolist() == [[0.0, 0.0], [0.8, 1.0]]
    assert shares(shown, 1, 5).tolist() == pytest.approx(np.array([[0.5, 0.5, 0.25, 0.5, 0.5]]))


def test_lanes_of_a_pool_are_workers():
    roles = {"has_agents": False, "has_server": False, "groups": [{"leader": 0, "workers": ""}], "nodes": []}
    found = campaign([evaluation(0, 0, 4, rank=1)], [run(0.0, 10.0, roles=roles)])
    assert lanes(found).names == ["worker 0", "worker 1"]
    teams = campaign([evaluation(0, 0, 4, rank=2)], [run(0.0, 10.0, roles=roles | {"teams": ["0-1", "2-3"]})])
    assert lanes(teams).names == ["processes 0-1", "processes 2-3"]


def test_lanes_without_roles_are_those_that_evaluated():
    found = campaign([evaluation(0, 0, 4, rank=3), evaluation(1, 5, 10, rank=7, host="b")])
    assert lanes(found).names == ["rank 3", "rank 7, b"]


@pytest.mark.parametrize(
    "found",
    [
        campaign([]),
        campaign([], []),
        campaign([], [run(5.0, None)]),
        campaign([evaluation(0, 1, 2, state=State.FAILED)]),
        campaign([Evaluation(0, {"x": 0.5}, state=State.PENDING)]),
        campaign([evaluation(0, 1, 2, 1e300), evaluation(1, 1, 2, -1e300)]),
        campaign([Evaluation(0, {}, 1.0, State.DONE, 1.0, 1.0, 2.0)], space={}),
        campaign([evaluation(0, 9, 2)], [run(10.0, 20.0), run(5.0, 7.0)]),
    ],
    ids=["empty", "no run", "just begun", "failed", "pending", "extreme", "no dimension", "clock set back"],
)
def test_odd_campaigns_have_curves(found):
    timeline = Timeline(found)
    for axis in ("evaluations", "seconds"):
        curves.band([curves.incumbent(found, axis, timeline)])
    assert len(curves.states(found, timeline).x) == curves.NUM_POINTS
    curves.utilisation(found, timeline)
    curves.failures(found, timeline)
    curves.rolling(found)
    shown = duplicates(found)
    assert len(shown.rows) == len(shown.distinct) == len(shown.hits)
    assert shares(lanes(found, timeline), 3, 4).max(initial=0.0) <= 1.0
