"""Where arrays lie on a mesh: names and numbers, without devices."""

import numpy as np
import pytest

from handgrad.cli.hosts import mesh, sharding
from handgrad.train.sharding import check_mesh, specs
from handgrad.train.shards import file_of, joined, told

SHAPES = {"1.W": (784, 512), "1.b": (512,), "conv.W": (16, 3, 3, 3), "conv.b": (15,), "scale": ()}


def test_columns_lie_along_model_and_what_is_not_divided_is_whole():
    assert specs(SHAPES, {"data": 4, "model": 2}) == {
        "1.W": (None, "model"), "1.b": ("model",), "conv.W": ("model", None, None, None), "conv.b": (None,),
        "scale": (),
    }  # fmt: skip


def test_fully_sharded_lies_along_the_largest_axis_that_can_be_divided():
    found = specs(SHAPES, {"data": 8, "model": 1}, "full")
    assert found["1.W"] == ("data", None)
    assert found["1.b"] == (None,)  # too small to be worth it
    assert specs({"W": (7, 1600)}, {"data": 8, "model": 1}, "full") == {"W": (None, "data")}
    assert specs({"W": (800, 1600)}, {"data": 4, "model": 2}, "full") == {"W": ("data", "model")}


def test_patterns_say_how_arrays_lie():
    found = specs({"a.W": (4, 6), "a.b": (6,)}, {"data": 2, "model": 2}, {"*.W": ("data", "model")})
    assert found == {"a.W": ("data", "model"), "a.b": (None,)}


@pytest.mark.parametrize(
    ("mesh", "patterns", "sentence"),
    [
        (
            {"data": 2, "model": 2},
            "half",
            r"sharding is 'replicated' or 'full', or specs by pattern, not 'half'",
        ),
        (
            {"data": 2, "model": 2},
            {"*.V": ("data",)},
            r"no parameter is called '\*\.V'; there are a\.W, a\.b",
        ),
        (
            {"data": 2, "model": 2},
            {"*.b": (None,), "a.*": ("data", None)},
            r"'\*\.b' and 'a\.\*' say different",
        ),
        ({"data": 2, "model": 2}, {"*.b": ("data", None)}, r"'\*\.b' has 2 axes, and a\.b has shape \(6,\)"),
        ({"data": 2, "model": 2}, {"*.W": ("data", "data")}, r"'\*\.W' names an axis of the mesh twice"),
        (
            {"data": 2, "model": 2},
            {"*.W": ("rows", None)},
            r"names the axis 'rows'; the mesh has data, model",
        ),
        ({"data": 4, "model": 2}, {"*.b": ("data",)}, r"a\.b of shape \(6,\) is not divided by data 4"),
    ],
)
def test_patterns_that_cannot_be_are_one_sentence(mesh, patterns, sentence):
    with pytest.raises(ValueError, match=sentence):
        specs({"a.W": (4, 6), "a.b": (6,)}, mesh, patterns)


def test_a_mesh_has_all_devices_or_a_part_that_divides_them():
    assert check_mesh(None, 8) == {"data": 8, "model": 1}
    assert check_mesh({"model": 2}, 8) == {"data": 1, "model": 2}


@pytest.mark.parametrize(
    ("mesh", "all_of_them", "sentence"),
    [
        ({"data": 3}, False, "data 3 x model 1 are 3 devices, and there are 8"),
        ({"data": 16}, False, "data 16 x model 1 are 16 devices, and there are 8"),
        ({"data": 4}, True, "data 4 x model 1 are 4 devices, and there are 8"),
        ({"rows": 8}, False, "the axis 'rows'; a mesh has the axes data and model"),
        ({"data": 0}, False, "data is 0, not a whole number from 1"),
        ({"data": True}, False, "data is True, not a whole number from 1"),
    ],
)
def test_a_mesh_that_cannot_be_is_one_sentence(mesh, all_of_them, sentence):
    with pytest.raises(ValueError, match=sentence):
        check_mesh(mesh, 8, all_of_them)


def test_the_command_reads_meshes_and_shardings():
    assert mesh("data=4,model=2") == {"data": 4, "model": 2}
    assert sharding("full") == "full"
    assert sharding("*.W=-,model;*.b=model") == {"*.W": (None, "model"), "*.b": ("model",)}


# Checkpoints by parts.

W = np.arange(24.0).reshape(4, 6)
WANTED = {"params/W": W, "params/b": W[0]}


def test_parts_are_joined():
    index = (slice(None), slice(3, None))
    assert told(index, W.shape) == "0:4,3:6"
    files = [{"params/W[0:4,0:3]": W[:, :3], "params/b": W[0]}, {"params/W[0:4,3:6]": W[:, 3:]}]
    found = joined(files, WANTED)
    np.testing.assert_array_equal(found["params/W"], W)
    np.testing.assert_array_equal(found["params/b"], W[0])
    assert file_of("checkpoint-3.safetensors", 1, 2) == "checkpoint-3.1-of-2.safetensors"
    assert file_of("checkpoint-3.safetensors", 0, 1) == "checkpoint-3.safetensors"


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ([{"params/W[0:4,0:3]": W[:, :3]}], "of params/W not all parts are there"),
        ([{"params/V[0:4,0:3]": W[:, :3]}], "unknown params/V"),
        (
            [{"params/W[0:4,3:9]": W}],
            r"params/W\[0:4,3:9\] is float64 \(4, 6\), and lies in float64 \(4, 6\)",
        ),
    ],
)
def test_parts_that_do_not_fit_are_said(files, sentence):
    with pytest.raises(ValueError, match=sentence):
        joined(files, WANTED)
