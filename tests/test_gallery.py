"""The gallery: each of its pages is made of what is here, and the index leads to all."""

import importlib.util
import re
from pathlib import Path

import pytest

BUILD = Path(__file__).parents[1] / "docs/gallery/build.py"


@pytest.fixture(scope="module")
def build():
    spec = importlib.util.spec_from_file_location("gallery_build", BUILD)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def links(folder):
    return re.findall(r'href="([^"]*)"', (folder / "index.html").read_text(encoding="utf-8"))


def test_the_index_leads_to_every_page(build, tmp_path):
    names = ["apples", "xor-sigmoid", "xor-relu"]
    build.write(tmp_path, names)
    assert links(tmp_path) == [f"{name}.html" for name in (*names, "xor")]
    assert all((tmp_path / name).exists() for name in links(tmp_path))
    pictures = re.findall(r'src="([^"]*)"', (tmp_path / "index.html").read_text(encoding="utf-8"))
    assert pictures == ["apples.svg", "xor-sigmoid.svg", "xor-relu.svg", "xor-sigmoid.svg"]
    assert all((tmp_path / name).exists() for name in pictures)
    frames = (tmp_path / "xor.html").read_text(encoding="utf-8")
    assert re.findall(r'src="([^"]*)"', frames) == ["xor-sigmoid.html", "xor-relu.html"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["neuron", "spiral", "digits", "regression", "convolution", "lstm", "microgpt"]
)
def test_every_page_is_made(build, tmp_path, name):
    build.write(tmp_path, [name])
    assert links(tmp_path) == [f"{name}.html"]
    assert (tmp_path / f"{name}.html").stat().st_size < (2_000_000 if name == "digits" else 600_000)
