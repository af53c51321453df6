"""What the documents show, run as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import handgrad as hg
from handgrad.checking import check
from handgrad.program import trace
from handgrad.rules import elementwise, rule

ROOT = Path(__file__).parent.parent


def python_blocks(name):
    return re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL)


def test_the_rule_in_six_lines():
    """CONTRIBUTING's rule, in a scratch file: recording, gradient, Hessian, check, program."""
    (source,) = python_blocks("CONTRIBUTING.md")
    assert len(source.strip().splitlines()) <= 8
    found = {"elementwise": elementwise, "rule": rule}
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
    file.write_text(f"from handgrad import elementwise\n\n{source}")
    ran = subprocess.run(
        [sys.executable, "-m", "handgrad", "check", f"{file}:cube"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("cube: right")


@pytest.mark.parametrize("number", range(len(python_blocks("README.md"))))
def test_readme_runs(number, capsys, monkeypatch, tmp_path):
    """Each block, with the imports of those before it."""
    monkeypatch.chdir(tmp_path)  # some write files
    blocks = python_blocks("README.md")
    names = {"np": np, "hg": hg}
    for block in blocks[: number + 1]:
        capsys.readouterr()
        exec(block, names)
    printed = capsys.readouterr().out.splitlines()
    said = re.findall(r"print\(.*\)\s+# (\d[\d (),]*)$", blocks[number], re.MULTILINE)
    assert printed[: len(said)] == said
