"""Campaign whose names and texts are what a page must not take for anything else."""

from dhmpi.evaluation import Evaluation, Origin, State
from dhmpi.results import Metadata, Results

ATTACK = "<script>document.title='taken'</script>"
NAMES = (ATTACK, "</script><!--", "{{x}} $data ${data}", "quo\"te's & \u2028\u202e", "__proto__")
ERROR = f'Traceback (most recent call last):\n  File "x"\nValueError: {ATTACK} \x1b[31m\x00 </script> \'" \ud800'
PRINTED = b"<img src=x onerror=alert(1)>\x1b]0;title\x07 end"
STARTED = 1_700_000_000.0


def space():
    """Dimensions of all kinds, with these names."""
    forms = ((0.0, 1.0), (1, 10**18), (1e-5, 1.0, "log-uniform"), [ATTACK, "b", None, "None"], [True, False])
    return dict(zip(NAMES, forms, strict=True))


def point(number):
    """A point of that space."""
    choices = [ATTACK, "b", None, "None"]
    values = (number / 100, 10**18 - number, 10 ** (-number / 25), choices[number % 4], number % 2 == 0)
    return dict(zip(NAMES, values, strict=True))


def evaluation(number):
    """One of a hundred evaluations: every tenth fails, and there are extremes among the others."""
    begun = STARTED + number
    times = {"submitted": begun, "started": begun + 0.1, "ended": begun + 0.9}
    where = {"rank": number % 3 + 1, "host": f"<b>{number % 2}</b>"}
    common = {**times, **where, "origin": Origin("RF", number, number), "order": number}
    if number % 10 == 5:
        state = State.TIMEOUT if number == 95 else State.FAILED
        return Evaluation(number, point(number), None, state, error=ERROR, **common)
    objective = {3: 1e300, 4: -1e300}.get(number, (number - 50.0) ** 2)
    extra = {"accuracy": number / 100, ATTACK: ATTACK, "curve": [1, 2, {"a": None}]}
    return Evaluation(number, point(number), objective, extra=extra, state=State.DONE, **common)


def hostile(path, number=100, **changes):
    """Return the results of such a campaign, and write what its failures have printed."""
    logs = path.with_name(f"{path.name}.files")
    logs.mkdir(exist_ok=True)
    (logs / "evaluation-000005.log").write_bytes(b"\xff\xfe\x00" * 50_000 + PRINTED)
    (logs / "evaluation-000015.log").mkdir(exist_ok=True)
    run = {"started": STARTED, "ended": STARTED + 101, "num_workers": 3, "hosts": [ATTACK], "layout": ATTACK, "why": ""}
    command = ["/opt/bin/dhmpi", "ambs", "--problem", f"it's {ATTACK}; rm -rf $HOME", "--resume"]
    fields = {"options": {"seed": None, ATTACK: ATTACK}, "seed": 7, "created": STARTED, "version": "0.1.0"}
    fields |= {"command": command, "runs": [run], "complete": True, "statistics": {ATTACK: 1.5}}
    metadata = Metadata("ambs", ATTACK, space(), **(fields | changes))
    return Results.of(metadata, [evaluation(each) for each in range(number)], path=path)
