import os
import re
import shutil

import pytest
from contracts.networks import of_cells

from dhmpi.errors import OptionError
from dhmpi.search.nas.model.baseline import anl_mlp_1, anl_mlp_2, combo_mlp


@pytest.fixture
def structure():
    return anl_mlp_2.create_structure(num_cells=2)


def read(path):
    """Return the labels and styles of the nodes, the styles of the edges, and the labels of the frames."""
    text = path.read_text()
    nodes = re.findall(r'^"?([\w/]+)"? \[label="(.*)", style=(\w+)\];$', text, re.MULTILINE)
    edges = re.findall(r'^"?([\w/]+)"? -> "?([\w/]+)"? \[style=(\w+)\];$', text, re.MULTILINE)
    frames = re.findall(r'^subgraph (cluster_\w+) \{\s*label="?(\w+)"?;', text, re.MULTILINE)
    assert len(nodes) == len({name for name, _, _ in nodes})
    return (
        {name: (label, style) for name, label, style in nodes},
        {(source, target): style for source, target, style in edges},
        dict(frames),
    )


def test_an_architecture_is_drawn_with_its_operations(structure, tmp_path):
    structure.set_ops(of_cells([0, 2, 0], [1, 0, 3]))
    structure.draw_graphviz(tmp_path / "picture.dot")
    nodes, edges, frames = read(tmp_path / "picture.dot")
    assert nodes["cell_0/N_1"] == ("N_1(3)[Dense_10_relu]", "solid")
    assert nodes["cell_1/N_1"] == ("N_1(7)[Identity]", "dashed")
    assert nodes["cell_1/N_2"] == ("N_2(8)[Dropout(0.3)]", "solid")
    assert ("cell_0/Output", "cell_1/N_0") in edges
    assert ("Input", "cell_1/N_0") not in edges
    assert edges["cell_1/Output", "Structure_Output"] == "solid"
    assert frames == {"cluster_0": "cell_0", "cluster_0_0": "block_0", "cluster_1": "cell_1", "cluster_1_0": "block_0"}


def test_a_space_is_drawn_with_what_there_is_to_decide(structure, tmp_path):
    structure.draw_graphviz(str(tmp_path / "space.gv"))
    nodes, edges, _ = read(tmp_path / "space.gv")
    assert nodes["cell_1/N_1"] == ("N_1(7)[8 operations]", "solid")
    assert edges["Input", "cell_1/N_0"] == edges["cell_0/Output", "cell_1/N_0"] == "dashed"
    assert edges["Input", "cell_0/N_0"] == edges["cell_1/N_0", "cell_1/N_1"] == "solid"


@pytest.mark.parametrize("create", [anl_mlp_1.create_structure, combo_mlp.create_structure])
def test_every_node_is_drawn_once(create, tmp_path):
    structure = create()
    structure.set_ops([0] * structure.num_nodes).draw_graphviz(tmp_path / "picture.dot")
    nodes, _, _ = read(tmp_path / "picture.dot")
    assert set(nodes) == {place.name for place in structure.plan.places} | {"Structure_Output"}


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_images_need_graphviz_and_say_so(structure, tmp_path, monkeypatch, ending):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OptionError, match=r"install Graphviz \(apt install graphviz\), or write .*picture.dot"):
        structure.draw_graphviz(tmp_path / f"picture.{ending}")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
@pytest.mark.parametrize(("ending", "beginning"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_images_are_drawn_by_graphviz(structure, tmp_path, ending, beginning):
    structure.set_ops([0] * 6).draw_graphviz(tmp_path / f"picture.{ending}")
    assert (tmp_path / f"picture.{ending}").read_bytes().startswith(beginning)


def test_a_picture_that_cannot_be_written_is_an_error(structure, tmp_path):
    with pytest.raises(OptionError, match=r"must end in .dot, .gv, .png, .svg, .pdf, got 'picture.bmp'"):
        structure.draw_graphviz("picture.bmp")
    with pytest.raises(OptionError, match=r"a file that can be written, got .*No such file or directory"):
        structure.draw_graphviz(tmp_path / "missing" / "picture.dot")
