import pytest

from dhmpi.errors import OptionError
from dhmpi.support.allocation import Allocation, find, num_whole_cores


def test_slurm_tells_its_nodes_and_the_smallest_ones_cores():
    env = {"SLURM_JOB_NODELIST": "nid[00001-00003]", "SLURM_JOB_CPUS_PER_NODE": "128(x2),64"}
    assert find(env) == Allocation("Slurm", ("nid00001", "nid00002", "nid00003"), 64)


def test_pbs_and_cobalt_tell_a_file_with_a_line_for_each_rank(tmp_path):
    (tmp_path / "nodes").write_text("x3001.site.org\nx3001.site.org\nx3002.site.org\n")
    nodes = ("x3001.site.org", "x3002.site.org")
    found = find({"PBS_JOBID": "7.polaris", "PBS_NODEFILE": str(tmp_path / "nodes")})
    assert found == Allocation("PBS", nodes, num_whole_cores())
    assert find({"COBALT_JOBID": "7", "COBALT_NODEFILE": str(tmp_path / "nodes")})[:2] == ("Cobalt", nodes)


def test_theta_tells_numbers_and_nothing_of_cores():
    env = {"COBALT_JOBID": "7", "COBALT_PARTNAME": "3834-3835,12"}
    assert find(env) == Allocation("Cobalt", ("nid03834", "nid03835", "nid00012"), None)


def test_flux_is_asked(tmp_path):
    flux = tmp_path / "flux"
    flux.write_text('#!/bin/sh\n[ "$*" = "getattr hostlist" ] && echo "tuolumne[1001-1002]"\n')
    flux.chmod(0o755)
    # A Flux may run in a job of Slurm's.
    env = {"FLUX_URI": "local:///run/flux", "PATH": str(tmp_path), "SLURM_JOB_NODELIST": "nid1"}
    assert find(env) == Allocation("Flux", ("tuolumne1001", "tuolumne1002"), None)
    flux.write_text("#!/bin/sh\necho no broker >&2\nexit 1\n")
    with pytest.raises(OptionError, match=r"the scheduler must tell its nodes, got 'no broker'; try .*flux getattr"):
        find(env)


def test_outside_of_a_job_there_is_this_machine():
    assert find({}) == Allocation("", ("localhost",), num_whole_cores())


def test_a_file_that_is_gone_is_one_sentence(tmp_path):
    with pytest.raises(
        OptionError, match=r"file of nodes must be readable, got .*: No such file or directory; run this"
    ):
        find({"PBS_NODEFILE": str(tmp_path / "none")})


def test_threads_of_a_core_are_one_core(tmp_path, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 4, 5, 9})
    for core, siblings in {0: "0,4", 4: "0,4", 1: "1,5", 5: "1,5"}.items():
        path = tmp_path / f"devices/system/cpu/cpu{core}/topology"
        path.mkdir(parents=True)
        (path / "thread_siblings_list").write_text(siblings)
    assert num_whole_cores(str(tmp_path)) == 3
