"""Cores near GPUs: a tree of files stands in for what the kernel knows."""

import pytest

from dhmpi.errors import OptionError
from dhmpi.support.gpu_cores import PciGpu, given, mask, near, of_kernel, tile_names
from dhmpi.support.gpus import GpuView, listed, probed

POLARIS = "24-31,56-63:16-23,48-55:8-15,40-47:0-7,32-39"
# Addresses, cores and tiles of Aurora's GPUs, and what else there is in PCI.
AURORA = [
    (f"000{socket}:{bus}:00.0", "0x8086", "0x038000", ("0-51,104-155", "52-103,156-207")[socket], 2)
    for socket in (0, 1)
    for bus in ("18", "42", "6c")
]
OTHERS = [("0000:02:00.0", "0x1a03", "0x030000", "0-51", 0), ("0000:04:00.0", "0x8086", "0x020000", "0-51", 0)]
MASKS = [mask("0-51,104-155")] * 3 + [mask("52-103,156-207")] * 3


@pytest.fixture
def kernel(tmp_path):
    """Makes a tree of PCI devices, with a driver that has its tiles in one of two places."""

    def made(devices, tiles="drm/card1/gt/gt{}"):
        for address, vendor, kind, cores, num_tiles in devices:
            path = tmp_path / "sys" / "bus" / "pci" / "devices" / address
            path.mkdir(parents=True)
            for name, text in {"vendor": vendor, "class": kind, "local_cpulist": cores}.items():
                (path / name).write_text(f"{text}\n")
            for tile in range(num_tiles):
                (path / tiles.format(tile)).mkdir(parents=True)
        return str(tmp_path / "sys")

    return made


@pytest.fixture
def devices(tmp_path):
    """A directory with the device file that every driver of displays has."""
    (tmp_path / "dev" / "dri").mkdir(parents=True)
    (tmp_path / "dev" / "dri" / "renderD128").touch()
    return str(tmp_path / "dev")


@pytest.mark.parametrize(
    ("cores", "bits"), [("0", 1), ("0-3", 15), ("1,3-4", 26), ("", 0), ("64-65\n", 3 << 64), ("0-1,0-1", 3)]
)
def test_cores_are_bits(cores, bits):
    assert mask(cores) == bits


def test_a_variable_says_which_cores_are_near():
    assert given({}) == ()
    assert given({"DHMPI_GPU_CORES": ""}) == ()
    assert given({"DHMPI_GPU_CORES": POLARIS})[3] == mask("0-7,32-39")


@pytest.mark.parametrize(
    "text", ["0-7:", ":", "0-7;8-15", "a", "0-", "-3", "0--3", " 0-7", "0-7:8-15:x", "1000000", "7-3", "0,7-3"]
)
def test_what_is_no_list_of_cores_is_refused(text):
    with pytest.raises(
        OptionError, match="DHMPI_GPU_CORES must be the cores near each GPU, as in 24-31:16-23:8-15:0-7"
    ):
        given({"DHMPI_GPU_CORES": text})


def test_the_kernel_knows_gpus_in_the_order_of_their_addresses(kernel):
    assert of_kernel("0x8086", kernel([*reversed(AURORA), *OTHERS])) == tuple(PciGpu(cores, 2) for cores in MASKS)
    assert of_kernel("0x10de", "/no/such/directory") == ()


@pytest.mark.parametrize("tiles", ["drm/card1/gt/gt{}", "tile{}"])  # of i915, and of xe
@pytest.mark.parametrize(
    ("hierarchy", "names"),
    [
        ("COMPOSITE", [f"{card}.{tile}" for card in range(6) for tile in range(2)]),
        ("FLAT", [str(tile) for tile in range(12)]),
        ("", [str(tile) for tile in range(12)]),
    ],
)
def test_tiles_are_named_as_the_hierarchy_has_them(tiles, hierarchy, names, kernel):
    named = tile_names(of_kernel("0x8086", kernel(AURORA, tiles)), {"ZE_FLAT_DEVICE_HIERARCHY": hierarchy})
    assert list(named) == names
    assert list(named.values()) == [cores for cores in MASKS for _ in range(2)]


def test_gpus_without_tiles_have_one_name_in_each_hierarchy():
    for hierarchy in ("FLAT", "COMPOSITE"):
        assert tile_names([PciGpu(1), PciGpu(2)], {"ZE_FLAT_DEVICE_HIERARCHY": hierarchy}) == {"0": 1, "1": 2}


def test_tiles_are_found_where_the_vendors_program_is_missing(kernel, devices, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("ZE_FLAT_DEVICE_HIERARCHY", "COMPOSITE")
    view = probed(devices, kernel(AURORA))
    assert view.devices == ("0.0", "0.1", "1.0", "1.1", "2.0", "2.1", "3.0", "3.1", "4.0", "4.1", "5.0", "5.1")
    assert view.near[5] == mask("0-51,104-155")
    assert view.near[6] == mask("52-103,156-207")


def test_what_drives_a_display_is_no_gpu_to_compute_with(kernel, devices, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert probed(devices, kernel([("0000:00:02.0", "0x8086", "0x030000", "0-7", 1)])).devices == ()


@pytest.mark.parametrize(
    ("variables", "names", "cores"),
    [
        ({}, "0123", ["24-31,56-63", "16-23,48-55", "8-15,40-47", "0-7,32-39"]),  # as the kernel says
        ({}, "01", []),  # of a part of the node, which may count anew
        ({"DHMPI_GPU_CORES": "0:1:2:3"}, "0123", ["0", "1", "2", "3"]),
        ({"DHMPI_GPU_CORES": "0:1:2:3"}, "31", ["3", "1"]),
        ({"DHMPI_GPU_CORES": "0:1"}, ("0.0", "0.1"), ["0", "1"]),
        ({"DHMPI_GPU_CORES": "0:1"}, ("GPU-a", "GPU-b"), ["0", "1"]),
        ({"DHMPI_GPU_CORES": "0:1"}, "0123", []),
        ({}, ("GPU-a", "GPU-b", "GPU-c", "GPU-d"), []),
    ],
)
def test_near_cores_are_those_that_the_variable_or_the_kernel_says(variables, names, cores):
    named = {str(number): mask(part) for number, part in enumerate(POLARIS.split(":"))}
    assert near(tuple(names), named, variables) == tuple(map(mask, cores))


def test_a_view_has_them(kernel, tmp_path):
    root = kernel([(f"0000:0{n}:00.0", "0x10de", "0x030200", f"{n}", 0) for n in range(2)])
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "nvidia0").touch()
    cuda = "CUDA_VISIBLE_DEVICES"
    view = listed({cuda: "0,1"}, str(tmp_path / "dev"), root)
    assert view == GpuView(cuda, ("0", "1"), is_listed=True, near=(1, 2))
    assert listed({cuda: "1"}, str(tmp_path / "dev"), root).near == ()
    assert view.cut(1) == GpuView(cuda, ("0",), is_listed=True, near=(1,))
    assert view.cut(3) == GpuView(cuda, ("0", "1", "2"), is_listed=True)
