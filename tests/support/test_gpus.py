"""GPUs that a process sees: there is none here, so directories stand in for /dev, and scripts for vendors' programs."""

import pytest

from dhmpi.support import gpus
from dhmpi.support.gpus import NO_GPUS, GpuView, listed, local_rank, probed

CUDA, ROCR, ZE = "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK"
NVIDIA = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-c6d4f1ef-42e4-7de3-91c7-45d71c87eb3f)
"""
DIVIDED = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77)
  MIG 3g.20gb     Device  0: (UUID: MIG-1111)
  MIG 3g.20gb     Device  1: (UUID: MIG-2222)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-c6d4f1ef-42e4-7de3-91c7-45d71c87eb3f)
"""
AMD = """\
============================ ROCm System Management Interface ============================
GPU[0]\t\t: Device Name: \t\tAMD INSTINCT MI250 (MCM) OAM AC MBA
GPU[0]\t\t: Device ID: \t\t0x740c
GPU[1]\t\t: Device Name: \t\tAMD INSTINCT MI250 (MCM) OAM AC MBA
GPU[1]\t\t: Device ID: \t\t0x740c
"""
INTEL = """\
+-----------+--------------------------------------------------------------------------------------+
| Device ID | Device Information                                                                   |
+-----------+--------------------------------------------------------------------------------------+
| 0         | Device Name: Intel(R) Data Center GPU Max 1550                                       |
|           | Vendor Name: Intel(R) Corporation                                                    |
+-----------+--------------------------------------------------------------------------------------+
| 1         | Device Name: Intel(R) Data Center GPU Max 1550                                       |
+-----------+--------------------------------------------------------------------------------------+
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Makes device files, and programs with their output; returns the directory of devices."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))

    def made(files=(), status=0, **outputs):
        for name in files:
            path = tmp_path / "dev" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        for name, text in outputs.items():
            program = programs / name.replace("_", "-")
            (tmp_path / f"{name}.txt").write_text(text)
            script = f"#!/bin/sh\necho >> {tmp_path}/called\n/bin/cat {tmp_path}/{name}.txt\nexit {status}\n"
            program.write_text(script)
            program.chmod(0o755)
        return str(tmp_path / "dev")

    return made


@pytest.mark.parametrize(
    ("files", "outputs", "view"),
    [
        (["nvidia0", "nvidia1", "nvidiactl"], {"nvidia_smi": NVIDIA}, GpuView(CUDA, ("0", "1"))),
        (["nvidia0", "nvidia1"], {"nvidia_smi": DIVIDED}, GpuView(CUDA, ("MIG-1111", "MIG-2222", "1"))),
        (["nvidia0", "nvidia3"], {}, GpuView(CUDA, ("0", "1"))),  # of a container, which counts anew
        (["kfd", "dri/renderD128"], {"rocm_smi": AMD}, GpuView(ROCR, ("0", "1"))),
        (["kfd", "dri/renderD128"], {}, GpuView(ROCR, ("0",))),
        (["dri/renderD128"], {"xpu_smi": INTEL}, GpuView(ZE, ("0", "1"))),
        (["dri/renderD128"], {}, NO_GPUS),  # what drives a display
    ],
)
def test_gpus_are_those_that_the_vendors_program_lists(machine, files, outputs, view):
    assert probed(machine(files, **outputs)) == view


def test_without_device_files_no_program_is_started(machine, tmp_path):
    assert probed(machine(nvidia_smi=NVIDIA, rocm_smi=AMD, xpu_smi=INTEL)) == NO_GPUS
    assert not (tmp_path / "called").exists()


def test_a_program_that_fails_says_nothing(machine):
    assert probed(machine(["nvidia0"], status=9, nvidia_smi="GPU 0: lies\nGPU 1: lies\n")).devices == ("0",)


def test_a_program_that_hangs_is_given_up(machine, monkeypatch, tmp_path):
    directory = machine(["nvidia0"], nvidia_smi=NVIDIA)
    (tmp_path / "bin" / "nvidia-smi").write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    monkeypatch.setattr(gpus, "PROBE_SECONDS", 0.1)
    assert probed(directory).devices == ("0",)


@pytest.mark.parametrize(
    ("variables", "view"),
    [
        ({}, None),
        ({CUDA: "0,1"}, (CUDA, ("0", "1"))),
        ({CUDA: "GPU-5d5b, MIG-c6d4"}, (CUDA, ("GPU-5d5b", "MIG-c6d4"))),
        ({CUDA: ""}, (CUDA, ())),
        ({CUDA: "-1"}, (CUDA, ())),
        ({CUDA: "NoDevFiles"}, (CUDA, ())),
        ({CUDA: "2,-1,3"}, (CUDA, ("2",))),  # as CUDA does
        ({CUDA: "1,1"}, (CUDA, ("1",))),
        ({ZE: "0.0,0.1"}, (ZE, ("0.0", "0.1"))),
        ({ROCR: "4,5"}, (ROCR, ("4", "5"))),
        ({"HIP_VISIBLE_DEVICES": "1"}, ("HIP_VISIBLE_DEVICES", ("1",))),
        ({ROCR: "4,5,6", "HIP_VISIBLE_DEVICES": "2,0"}, (ROCR, ("6", "4"))),  # which count among these
    ],
)
def test_gpus_are_those_that_a_variable_names(variables, view, tmp_path):
    assert listed(variables, str(tmp_path)) == (view and GpuView(*view, is_listed=True))


def test_of_several_variables_that_of_the_vendor_counts(machine):
    """Slurm may set all of them."""
    variables = {CUDA: "0", ROCR: "1", ZE: "2"}
    assert listed(variables, machine(["kfd", "dri/renderD128"])).variable == ROCR
    assert listed(variables, "/no/such/directory").variable == CUDA


def test_a_gpu_that_srun_has_given_to_a_task_is_its_own(tmp_path):
    step = {"SLURM_STEP_ID": "0", "SLURM_PROCID": "3", "SLURM_GPUS_ON_NODE": "4"}
    assert listed(step | {CUDA: "0"}, str(tmp_path)).is_own
    assert not listed(step | {CUDA: "0,1,2,3"}, str(tmp_path)).is_own
    assert not listed({CUDA: "0", "SLURM_GPUS_ON_NODE": "4"}, str(tmp_path)).is_own  # the user's own choice


def test_launchers_say_which_rank_of_its_node_a_process_is():
    assert local_rank({}) == 0
    assert local_rank({"PMI_LOCAL_RANK": "3"}) == local_rank({"SLURM_LOCALID": "3"}) == 3
