"""What every stopper promises, whatever it makes of the values."""

import copy
import itertools
import math
import pickle
import random

import numpy as np
import pytest

STEPS = 27


def curve(quality, num=STEPS):
    """Return a well-behaved learning curve that ends near `quality`."""
    return [quality + (1 - quality) * step**-0.7 for step in range(1, num + 1)]


def play(stopper, curves, order=None):
    """Have evaluations report one after the other; return the step at which each was stopped, None if it was not."""
    stopped = {}
    for id in order or range(len(curves)):
        stopped[id] = run(stopper, id, curves[id])
    return stopped


def run(stopper, id, values):
    stopper.begin(id)
    for step, value in enumerate(values, 1):
        if stopper.report(id, step, value):
            stopper.end(id, None)
            return step
    stopper.end(id, values[-1])
    return None


def conversation(num=60, seed=1, lanes=8):
    """Return calls (name, id, value) of asynchronous evaluations with noisy curves; who plays them stops some."""
    rng = random.Random(seed)
    waiting, running, calls = list(range(num)), {}, []
    while waiting or running:
        if waiting and len(running) < lanes:
            id = waiting.pop(0)
            running[id] = iter([value + rng.gauss(0, 0.02) for value in curve(rng.random())])
            calls.append(("begin", id))
        else:
            id = rng.choice(sorted(running))
            value = next(running[id], None)
            if value is None:
                del running[id]
                calls.append(("end", id))
            else:
                calls.append(("report", id, value))
    return calls


def decisions(stopper, calls):
    """Return what a stopper says to calls; what it has stopped reports nothing any more."""
    steps, last, gone, said = {}, {}, set(), []
    for name, id, *rest in calls:
        if name == "begin":
            stopper.begin(id)
        elif id in gone:
            continue
        elif name == "end":
            stopper.end(id, last[id])
        else:
            steps[id], last[id] = steps.get(id, 0) + 1, rest[0]
            said.append((id, steps[id], stopper.report(id, steps[id], rest[0])))
            if said[-1][2]:
                gone.add(id)
                stopper.end(id, None)
    return said


class StopperContract:
    """Tests of a stopper; `make` is a fixture that makes one, with `min_steps` and `max_steps`."""

    def test_the_bad_are_stopped_and_the_best_are_not(self, make):
        rng = random.Random(2)
        qualities = [rng.random() for _ in range(100)]
        stopped = play(make(max_steps=STEPS), [curve(each) for each in qualities])
        assert stopped[qualities.index(min(qualities))] is None
        steps = [STEPS if step is None else step for step in stopped.values()]
        assert sum(steps) < 0.7 * len(steps) * STEPS
        late = sorted(range(50, 100), key=lambda id: qualities[id])
        assert sum(stopped[id] is not None for id in late[-20:]) >= 14

    def test_the_best_of_all_so_far_at_a_step_goes_on(self, make):
        """Each is better than all before it: none may be stopped, however the steps are spaced."""
        for steps in ([1, 2, 3, 9, 27], range(1, 28), [4, 26], [27], [0.5, 7.7, 19.2]):
            stopper = make(max_steps=STEPS)
            for id in range(60):
                stopper.begin(id)
                said = [stopper.report(id, step, 1 / (id + 1) + 1 / step) for step in steps]
                assert not any(said), (steps, id, said)
                stopper.end(id, 1 / (id + 1))

    def test_the_best_goes_on_where_curves_get_worse(self, make):
        stopper = make(max_steps=STEPS)
        for id in range(60):
            stopper.begin(id)
            assert not any(stopper.report(id, step, step - id / 100) for step in range(1, STEPS + 1)), id
            stopper.end(id, STEPS - id / 100)

    def test_one_evaluation_alone_goes_on(self, make):
        assert run(make(max_steps=1000), 7, [float(value) for value in range(1000)]) is None

    def test_nothing_is_stopped_before_min_steps(self, make):
        stopped = play(make(min_steps=9, max_steps=STEPS), [curve(id / 100) for id in range(100)])
        steps = {step for step in stopped.values() if step is not None}
        assert steps
        assert min(steps) >= 9

    def test_the_last_step_is_not_stopped(self, make):
        stopper = make(max_steps=STEPS)
        for id in range(60):
            stopper.begin(id)
            assert not stopper.report(id, STEPS, float(id))
            assert not stopper.report(id, STEPS + 1, float(id))
            stopper.end(id, float(id))

    def test_stops_without_a_last_step_too(self, make):
        stopped = play(make(max_steps=None), [curve(id / 60) for id in range(60)])
        assert stopped[0] is None
        assert any(step is not None for step in stopped.values())

    def test_equal_values_go_on(self, make):
        assert set(play(make(max_steps=STEPS), [curve(0.5)] * 50).values()) == {None}

    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, np.float32("nan"), 1e308])
    def test_what_diverges_is_stopped_and_disturbs_nobody(self, make, bad):
        curves = [[bad] * STEPS if id % 3 == 2 else curve(id / 100) for id in range(60)]
        stopped = play(make(max_steps=STEPS), curves)
        assert stopped[0] is None
        assert all(stopped[id] is not None for id in range(50, 60) if id % 3 == 2)

    def test_all_may_diverge(self, make):
        assert set(play(make(max_steps=STEPS), [[math.nan] * STEPS] * 40).values()) == {None}

    def test_steps_that_make_no_sense_say_nothing(self, make):
        calls = conversation()
        plain, other = make(max_steps=STEPS), make(max_steps=STEPS)

        class Disturbed:
            begin, end = other.begin, other.end

            def report(self, id, step, value):
                said = other.report(id, step, value)
                for odd in (0, -1, math.nan, math.inf, step / 2, -math.inf):
                    assert other.report(id, odd, 1e9) == said
                return said

        assert decisions(Disturbed(), calls) == decisions(plain, calls)

    def test_a_step_that_comes_again_replaces_the_value(self, make):
        calls = conversation()
        plain, other = make(max_steps=STEPS), make(max_steps=STEPS)

        class Twice:
            begin, end = other.begin, other.end

            def report(self, id, step, value):
                other.report(id, step, -1e6)  # the best of all, and so never stopped
                return other.report(id, step, value)

        assert decisions(Twice(), calls) == decisions(plain, calls)

    def test_a_report_may_pass_several_rungs(self, make):
        stopper = make(max_steps=STEPS)
        stopped = {}
        for id in range(60):
            stopper.begin(id)
            stopped[id] = any(stopper.report(id, step, float(id)) for step in (8, 26))
            stopper.end(id, None if stopped[id] else float(id))
        assert not stopped[0]
        assert stopped[59]

    def test_stays_stopped_and_ignores_what_comes_after_the_end(self, make):
        stopper, calls = make(max_steps=STEPS), conversation()
        said = decisions(stopper, calls)
        before = copy.deepcopy(stopper)
        assert not any(stopper.report(id, 27, 1e9) for id in {each[0] for each in said})
        again = conversation(seed=3)
        shifted = [(name, id + 1000, *rest) for name, id, *rest in again]
        assert decisions(stopper, shifted) == decisions(before, shifted)

    def test_tells_again_what_is_still_running_to_stop(self, make):
        stopper, calls = make(max_steps=STEPS), conversation()
        decisions(stopper, calls)
        stopper.begin(1000)
        said = [stopper.report(1000, step, 1e9) for step in range(1, STEPS)]
        assert any(said)
        assert said == sorted(said)
        stopper.end(1000, None)
        stopper.end(1000, None)

    def test_an_evaluation_may_begin_again(self, make):
        """What is lost and repeated counts once, and is not stopped for what it said before."""
        stopper, calls = make(max_steps=STEPS), conversation()
        decisions(stopper, calls)
        stopper.begin(1000)
        assert any(stopper.report(1000, step, 1e9) for step in range(1, STEPS))
        stopper.begin(1000)
        assert not any(stopper.report(1000, step, -1.0 / step) for step in range(STEPS, 0, -1))
        stopper.begin(1000)
        assert not any(stopper.report(1000, step, -float(step)) for step in range(1, STEPS + 1))
        stopper.end(1000, -27.0)

    def test_beginnings_that_are_repeated_change_nothing(self, make):
        calls = conversation()
        plain, other = make(max_steps=STEPS), make(max_steps=STEPS)
        doubled = [each for call in calls for each in ((call, call) if call[0] == "begin" else (call,))]
        assert decisions(other, doubled) == decisions(plain, calls)

    def test_ids_are_names_alone(self, make):
        calls = conversation()
        ids = sorted({call[1] for call in calls})
        names = dict(zip(ids, random.Random(4).sample(range(10**9), len(ids)), strict=True))
        renamed = [(name, names[id], *rest) for name, id, *rest in calls]
        said = decisions(make(max_steps=STEPS), calls)
        assert decisions(make(max_steps=STEPS), renamed) == [(names[id], *rest) for id, *rest in said]

    def test_the_same_calls_give_the_same_decisions(self, make):
        calls = conversation(num=200)
        said = decisions(make(max_steps=STEPS), calls)
        assert any(stopped for *_, stopped in said)
        assert decisions(make(max_steps=STEPS), calls) == said

    def test_goes_on_from_a_copy(self, make):
        calls = conversation(num=120)
        half = next(index for index, call in enumerate(calls) if call == ("begin", 60))
        stopper = make(max_steps=STEPS)
        decisions(stopper, calls[:half])
        copies = [copy.deepcopy(stopper), pickle.loads(pickle.dumps(stopper))]
        rest = [(name, id + 500, *values) for name, id, *values in conversation(seed=5)]
        said = decisions(stopper, rest)
        assert [decisions(each, rest) for each in copies] == [said, said]

    @pytest.mark.parametrize("scale", [1e-12, 1e9])
    def test_the_scale_of_values_and_steps_does_not_matter(self, make, scale):
        calls = conversation()
        said = decisions(make(max_steps=STEPS), calls)

        class Scaled:
            def __init__(self, stopper):
                self.begin, self._stopper = stopper.begin, stopper

            def report(self, id, step, value):
                return self._stopper.report(id, step * 64, value * scale)

            def end(self, id, objective):
                self._stopper.end(id, None if objective is None else objective * scale)

        assert decisions(Scaled(make(max_steps=STEPS * 64)), calls) == said

    def test_failures_teach_nothing_false(self, make):
        """Evaluations that fail before they report, or in the midst, leave the others alone."""
        calls = conversation()
        plain, other = make(max_steps=STEPS), make(max_steps=STEPS)
        mixed = itertools.chain.from_iterable(
            (call, ("begin", id + 1000), ("fail", id + 1000)) if (call[0], id) == ("begin", id) else (call,)
            for call, id in ((call, call[1]) for call in calls)
        )

        class Failing:
            begin, report = other.begin, other.report

            def end(self, id, objective):
                other.end(id, objective)

        said, failing = [], Failing()
        for part in mixed:
            if part[0] == "fail":
                failing.end(part[1], None)
            elif part[1] >= 1000:
                failing.begin(part[1])
            else:
                said.append(part)
        assert said == calls
        assert self._num_stopped(other, calls) == pytest.approx(self._num_stopped(plain, calls), abs=12)

    def _num_stopped(self, stopper, calls):
        return sum(stopped for *_, stopped in decisions(stopper, calls))

    def test_thousands_of_evaluations(self, make):
        rng = random.Random(6)
        stopper = make(max_steps=STEPS)
        stopped = [run(stopper, id, curve(rng.random())) for id in range(3000)]
        assert sum(step is not None for step in stopped) > 1000
