"""What the documents show, run as it stands there."""

import importlib
import re
import shlex
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest

import handgrad as hg
from handgrad.checking import check
from handgrad.program import trace

ROOT = Path(__file__).parent.parent


def python_blocks(name):
    return re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL)


def test_the_rule_in_six_lines():
    """CONTRIBUTING's rule, in a scratch file: recording, gradient, Hessian, check, program."""
    (source,) = python_blocks("CONTRIBUTING.md")
    assert len(source.partition("@elementwise")[2].strip().splitlines()) <= 6
    found = {}
    exec(source, found)
    cube = found["cube"]
    x = np.array([0.5, -1.5, 2.0])
    v = hg.variable(x)
    hg.sum(cube(v)).backward()
    np.testing.assert_allclose(v.grad, 3 * x**2)
    np.testing.assert_allclose(hg.hessian(lambda x: hg.sum(cube(x)))(x), np.diag(6 * x))
    assert check(cube, x).ok
    np.testing.assert_allclose(trace(cube, x)(x), x**3)
    assert "cube(x)" in str(hg.show(cube, x))


def test_the_rule_passes_the_command(tmp_path):
    (source,) = python_blocks("CONTRIBUTING.md")
    file = tmp_path / "scratch.py"
    file.write_text(source)
    ran = subprocess.run(
        [sys.executable, "-m", "handgrad", "check", f"{file}:cube"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("cube: right")


SHOWN = [
    "README.md",
    "docs/index.md",
    *(f"docs/use/{file.name}" for file in sorted(ROOT.glob("docs/use/*.md"))),
]
BLOCKS = [(name, number) for name in SHOWN for number in range(len(python_blocks(name)))]


@pytest.mark.parametrize(("name", "number"), BLOCKS)
def test_what_a_page_shows_runs(name, number, capsys, monkeypatch, tmp_path):
    """Each block, alone."""
    monkeypatch.chdir(tmp_path)  # some write files
    block = python_blocks(name)[number]
    for package in ("onnx", "sklearn", "torch"):
        if package in block:
            pytest.importorskip(package)
    with warnings.catch_warnings():
        exec(block, {})
    printed = capsys.readouterr().out.splitlines()
    assert "False" not in " ".join(printed).split()
    said = re.findall(r"print\(.*\)\s+# ([\[(]?\d[\d (),.\]]*)$", block, re.MULTILINE)
    assert printed[: len(said)] == said


def test_readme_commands_run(monkeypatch, tmp_path):
    """What README types in a terminal, in order, in one folder, beside its file of layers and a text."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = [
        line.partition("  #")[0].strip()
        for language, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        for line in block.splitlines()
        if not language and line.startswith(("handgrad ", "python "))
    ]
    assert len(lines) >= 6
    (wrong,) = [block for block in python_blocks("README.md") if block.startswith("# layers.py")]
    Path("layers.py").write_text(wrong)
    Path("plays.txt").write_text("ROMEO: " + text[:700])  # an epoch of it takes seconds
    for line in lines:
        name, *arguments = shlex.split(line.replace("--model gpt --epochs 10", "--model gpt --epochs 1"))
        command = [sys.executable, *(["-m", "handgrad"] if name == "handgrad" else []), *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ran.returncode == (1 if arguments[0] == "check" else 0), f"{line}\n{ran.stdout}{ran.stderr}"


def test_the_list_of_rules_is_what_they_say():
    ran = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "build_rules.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_vae_draws_digits(tmp_path, monkeypatch):
    """docs/vae.py on the small digits: what it decodes is nearer to its digit than the mean of all is."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "docs"), *sys.path])
    vae = importlib.import_module("vae")
    file = tmp_path / "digits.png"
    vae.main(["--data", "digits", "--epochs", "5", "--out", str(file)])
    content, side = file.read_bytes(), vae.SCALE * (8 + 2 * vae.GAP)
    width, height = np.frombuffer(content[16:24], ">u4")
    assert (height, width) == ((2 + vae.ROWS) * side, vae.COLUMNS * side)

    packed = content[content.index(b"IDAT") + 4 : content.index(b"IEND")]
    grey = np.frombuffer(zlib.decompressobj().decompress(packed), np.uint8).reshape(height, -1)[:, 1::3]
    cells = 1 - grey[:: vae.SCALE, :: vae.SCALE].reshape(2 + vae.ROWS, -1, vae.COLUMNS, 8 + 2 * vae.GAP) / 255
    inside = slice(vae.GAP, -vae.GAP)
    given, decoded, *drawn = cells[:, inside, :, inside].swapaxes(1, 2)
    _, test = hg.data.load("digits").split(test=0.2, seed=0)
    x = np.asarray(test.x)[: vae.COLUMNS].reshape(given.shape) / 16
    np.testing.assert_allclose(given, x, atol=0.5 / 255)
    assert np.square(decoded - x).mean() < 0.8 * np.square(x.mean(0) - x).mean()
    assert np.std(drawn, axis=1).mean() > 0.1
