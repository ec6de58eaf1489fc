"""Campaigns that follow each other, and how ranks exit, on ranks that are in one process; tests/mpi has real ones."""

import contextlib
import time

import pytest

from dhmpi.errors import EXIT_FAILURE, EXIT_SEARCH_RANK_LOST, OptionError, ProtocolError
from dhmpi.mpi import job as job_module
from dhmpi.mpi.comm import LOST, Message
from dhmpi.mpi.job import Job, JobTag, Loss
from dhmpi.mpi.memory import LocalMailbox, Mailboxes


class Aborted(BaseException):
    """The whole job would have ended here."""


class LeftAtOnce(BaseException):
    """The process would have ended here."""


class FakeCommunicator(LocalMailbox):
    """One of the ranks, as far as a job needs it."""

    is_finalized, num_conversations = False, 1000

    def abort(self, status):
        raise Aborted(status)

    def flush(self, timeout):
        pass

    def hear_of_the_death_of(self, rank):
        self._mailboxes.boxes[self.rank].append(Message(rank, LOST, None))


@pytest.fixture(autouse=True)
def process(monkeypatch):
    """This process is no rank: it neither leaves, nor tells others at its end."""

    def leave(status):
        raise LeftAtOnce(status)

    monkeypatch.setattr(job_module, "leave_at_once", leave)
    monkeypatch.setattr(job_module, "EXIT_WAIT", 0.05)
    monkeypatch.setattr(job_module, "LAST_WAIT", 0.05)
    monkeypatch.setattr(job_module.atexit, "register", lambda function: None)
    monkeypatch.setattr(job_module.sys, "excepthook", lambda *error: None)


@pytest.fixture
def jobs():
    """Three ranks; each is a job as it sees it."""
    mailboxes = Mailboxes(3)
    return [Job(lambda rank=rank: FakeCommunicator(mailboxes, rank)) for rank in range(3)]


def campaign(job, number):
    """The conversation of a campaign, which the job goes on to."""
    while job._campaign < number:
        job.begin_campaign()
    return job.converse()


DONE = []


def note(*arguments):
    """A function that is found by its name, wherever it travels."""
    DONE.append(arguments)


def received(conversation):
    found = []
    while (message := conversation.receive()) is not None:
        found.append(tuple(message))
    return found


def test_a_campaign_hears_its_own_messages_only(jobs):
    first, second = campaign(jobs[1], 1), campaign(jobs[0], 1)
    first.send(0, 5, "for the first")
    jobs[0].begin_campaign()
    again = jobs[0].converse()
    campaign(jobs[1], 2).send(0, 5, "for the second")
    assert received(again) == [(1, 5, "for the second")]
    assert received(second) == []


def test_what_comes_too_early_is_kept(jobs):
    campaign(jobs[1], 3).send(0, 5, "hello")
    now = campaign(jobs[0], 1)
    assert received(now) == [(1, LOST, Loss.AHEAD)]
    assert received(campaign(jobs[0], 2)) == [(1, LOST, Loss.AHEAD)]
    assert received(campaign(jobs[0], 3)) == [(1, 5, "hello")]


def test_what_comes_too_late_is_dropped(jobs):
    late = campaign(jobs[1], 1)
    now = campaign(jobs[0], 2)
    late.send(0, 5, "an old result")
    campaign(jobs[1], 2).send(0, 6, "hello")
    assert received(now) == [(1, 6, "hello")]


def test_who_has_gone_on_is_missed_after_its_last_word(jobs):
    now = campaign(jobs[0], 1)
    campaign(jobs[2], 1).send(0, 5, "a result")
    campaign(jobs[2], 2).send(0, 6, "hello")
    assert received(now) == [(2, 5, "a result"), (2, LOST, Loss.AHEAD)]


def test_groups_have_ranks_of_their_own(jobs):
    whole = campaign(jobs[2], 1)
    group, other = jobs[2].converse((1, 2)), campaign(jobs[1], 1)
    assert (whole.rank, group.rank, group.size) == (2, 1, 2)
    jobs[1].converse((1, 2)).send(1, 7, "to the group")
    other.send(2, 8, "to all")
    assert received(group) == [(0, 7, "to the group")]
    assert received(whole) == [(1, 8, "to all")]


def test_a_group_that_opens_late_gets_what_was_sent_before(jobs):
    campaign(jobs[1], 1)
    jobs[1].converse((1, 2)).send(1, 7, "early")
    whole = campaign(jobs[2], 1)
    assert received(whole) == []
    assert received(jobs[2].converse((1, 2))) == [(0, 7, "early")]


def test_a_dead_rank_is_missed_in_every_later_campaign(jobs):
    now = campaign(jobs[0], 1)
    jobs[0].comm.hear_of_the_death_of(2)
    assert received(now) == [(2, LOST, Loss.DEAD)]
    assert received(campaign(jobs[0], 2)) == [(2, LOST, Loss.DEAD)]
    group = jobs[0].converse((0, 1))
    assert received(group) == []


def test_a_rank_whose_program_has_ended_is_missed(jobs):
    now = campaign(jobs[0], 1)
    say(jobs, 2, JobTag.END)
    assert received(now) == [(2, LOST, Loss.ENDED)]


def test_there_is_a_last_campaign(jobs):
    number = 333  # of three conversations each, and one for the job
    campaign(jobs[0], number).send(1, 5)
    assert received(campaign(jobs[1], number)) == [(0, 5, None)]
    with pytest.raises(ProtocolError, match="a job must have at most 333 campaigns"):
        campaign(jobs[0], number + 1)


def test_a_rank_0_that_begins_another_campaign_has_left_this_one_for_all(jobs):
    whole, group = campaign(jobs[2], 1), jobs[2].converse((1, 2))
    campaign(jobs[0], 2)
    assert received(whole) == [(0, LOST, Loss.AHEAD)]
    assert received(group) == [(0, LOST, Loss.AHEAD)]  # that is its leader, which rank 0 leads


@pytest.mark.parametrize(("loss", "end"), [(Loss.DEAD, LeftAtOnce), (Loss.ENDED, SystemExit), (Loss.AHEAD, None)])
def test_who_waits_for_rank_0_follows_it(loss, end):
    with pytest.raises(end) if end else contextlib.nullcontext():
        job_module.follow(loss)


# --- calls


def test_who_serves_does_what_rank_0_calls_until_its_program_ends(jobs):
    DONE.clear()
    jobs[0].keep_servants()
    jobs[0].call(note, "first", 1)
    jobs[0].call(note, "second", 2)
    say(jobs, 0, JobTag.END, destination=1)
    with pytest.raises(SystemExit):
        jobs[1].serve()
    assert DONE == [("first", 1), ("second", 2)]


def test_nobody_is_called_who_follows_the_program(jobs):
    jobs[0].call(note, "first")
    assert not jobs[1].receive()


def test_what_cannot_travel_is_refused(jobs):
    jobs[0].keep_servants()
    with pytest.raises(OptionError, match=r"must be made of what can be imported, got .*lambda"):
        jobs[0].call(note, lambda: None)
    assert not jobs[1].receive()


# --- the end


def say(jobs, rank, tag, destination=0):
    jobs[rank].send(destination, 0, tag, None)


def test_all_say_that_they_end_and_finalize(jobs):
    for rank in (1, 2):
        say(jobs, rank, JobTag.END)
    jobs[0].leave()
    for rank in (1, 2):
        jobs[rank].leave()  # rank 0 has given its word
    assert all(job._word is JobTag.FINALIZE for job in jobs[1:])


def test_nobody_finalizes_after_a_death(jobs):
    jobs[0].status = 3
    say(jobs, 1, JobTag.END)
    jobs[0].comm.hear_of_the_death_of(2)
    with pytest.raises(LeftAtOnce, match="3"):
        jobs[0].leave()
    with pytest.raises(LeftAtOnce, match="0"):
        jobs[1].leave()


@pytest.mark.parametrize("status", [0, 2])
def test_who_does_not_end_is_killed(jobs, status, capsys):
    jobs[0].status = status
    say(jobs, 1, JobTag.END)
    with pytest.raises(Aborted, match=str(status)):
        jobs[0].leave()
    assert capsys.readouterr().err == "rank 2 did not end in time, and will be killed\n"


def test_who_did_not_answer_before_is_not_waited_for(jobs, monkeypatch):
    monkeypatch.setattr(job_module, "EXIT_WAIT", 60.0)
    campaign(jobs[0], 1).give_up([1, 2])
    say(jobs, 1, JobTag.END)  # it only was slow
    begun = time.monotonic()
    with pytest.raises(Aborted):
        jobs[0].leave()
    assert time.monotonic() - begun < 30
    say(jobs, 2, JobTag.END)
    jobs[0].leave()


def test_a_rank_does_not_wait_for_a_dead_rank_0(jobs):
    jobs[1].comm.hear_of_the_death_of(0)
    with pytest.raises(LeftAtOnce, match=str(EXIT_SEARCH_RANK_LOST)):
        jobs[1].leave()


def test_the_last_word_of_a_rank_0_that_has_left_counts(jobs):
    jobs[1].comm.hear_of_the_death_of(0)
    say(jobs, 0, JobTag.LEAVE, destination=1)
    with pytest.raises(LeftAtOnce, match="0"):
        jobs[1].leave()


def test_an_exception_ends_all(jobs):
    shown = []
    with pytest.raises(Aborted, match=str(EXIT_FAILURE)):
        jobs[1]._end_by_exception(lambda *error: shown.append(error), KeyError, KeyError("x"), None)
    assert len(shown) == 1


@pytest.mark.parametrize(
    ("launcher", "needs_mpi", "expected"),
    [
        ({}, False, 1),
        ({}, True, 3),  # a launcher that is not known
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "5"}, True, 5),  # before MPI starts
        ({"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "1"}, False, 1),
        ({"PMIX_RANK": "1"}, False, 3),  # a launcher that does not say how many there are
    ],
)
def test_mpi_is_asked_how_many_ranks_there_are_if_the_launcher_does_not_say(
    jobs, monkeypatch, launcher, needs_mpi, expected
):
    monkeypatch.setattr(job_module, "current", lambda: jobs[0])
    for name, value in launcher.items():
        monkeypatch.setenv(name, value)
    assert job_module.num_ranks(needs_mpi) == expected
