"""The files that a forge, its visitors and its packagers read: their syntax, and that they say the same."""

import ast
import re
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from bench import record

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
LINE = re.compile(r"^[ ]*(?:- )*(?:[\w.-]+|\"[^\"]+\"):(?: .*)?$|^[ ]*- .+$|^[ ]*#.*$|^[ ]*$")


def loaded(path):
    """A file of YAML; where PyYAML is not installed the test that asks skips."""
    return pytest.importorskip("yaml").safe_load(path.read_text("utf-8"))


def versions():
    return [f"3.{minor}" for minor in range(11, 15)]


def test_there_are_workflows():
    assert {path.stem for path in WORKFLOWS} >= {"tests", "release", "site"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_is_whole(path):
    workflow = loaded(path)
    assert workflow.keys() >= {"name", True, "permissions", "jobs"}  # YAML 1.1 reads "on" as true
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"] <= 120, name
        assert {*([job["needs"]] if "needs" in job else [])} <= workflow["jobs"].keys()
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step), (name, step)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_what_a_workflow_makes_the_makefile_has(path):
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    asked = re.findall(r"run: make ([\w-]+)", path.read_text("utf-8"))
    assert set(asked) <= targets


def test_the_tests_run_on_every_python_that_is_said():
    text = (ROOT / ".github" / "workflows" / "tests.yml").read_text("utf-8")
    assert f"python: {versions()}".replace("'", '"') in text
    said = [word for word in PROJECT["project"]["classifiers"] if re.search(r":: 3\.\d+$", word)]
    assert said == [f"Programming Language :: Python :: {version}" for version in versions()]
    assert PROJECT["project"]["requires-python"] == f">={versions()[0]}"
    (oldest,) = re.findall(r'"numpy==(.*)\.\*"', text)
    assert f"numpy>={oldest}" in PROJECT["project"]["dependencies"]


def test_the_citation_is_of_this_project():
    text = (ROOT / "CITATION.cff").read_text("utf-8")
    assert all(LINE.match(line) or line.startswith("  ") for line in text.splitlines())
    for key, value in {
        "cff-version": "1.2.0",
        "type": "software",
        "version": PROJECT["project"]["version"],
        "license": PROJECT["project"]["license"],
    }.items():
        assert re.search(rf"^{key}: {re.escape(value)}$", text, re.MULTILINE), key
    for key in ("message", "title", "authors", "abstract", "keywords"):
        assert re.search(rf"^{key}:", text, re.MULTILINE), key


def test_the_citation_is_of_the_format():
    """The schema of CFF 1.2 asks for these, and knows no others than these of ours."""
    found = loaded(ROOT / "CITATION.cff")
    assert found.keys() >= {"cff-version", "message", "title", "authors"}
    assert all(
        author.keys() <= {"name", "website", "family-names", "given-names"} for author in found["authors"]
    )
    assert all(isinstance(word, str) for word in found["keywords"])
    assert len(set(found["keywords"])) == len(found["keywords"])


def test_hooks_run_what_make_lint_runs():
    hooks = [hook for repo in loaded(ROOT / ".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    lint = (ROOT / "Makefile").read_text("utf-8").partition("\nlint:")[2].partition("\n\n")[0]
    tools = set(re.findall(r"\$\(BIN\)/([\w-]+)", lint))
    assert tools <= {hook["entry"].split()[0].rpartition("/")[2] for hook in hooks}
    assert len({hook["id"] for hook in hooks}) == len(hooks)


# The record of figures.


FIGURES = [
    record.Figure("aaaa", "2026-01-01", "mlp-tiny", 4.0, 1e-5, 0.5),
    record.Figure("aaaa", "2026-01-01", "tabular", 2.0, 2e-5, None),
    record.Figure("bbbb+", "2026-01-02", "mlp-tiny", 5.0, 9e-6, 0.0),
]


def test_figures_are_appended_and_read(tmp_path):
    file = tmp_path / "record.csv"
    record.append(FIGURES[:2], file)
    record.append(FIGURES[2:], file)
    assert record.read(file) == FIGURES
    assert file.read_text().startswith("commit,date,workload,ratio,seconds,others\naaaa,")


def test_figures_are_drawn():
    svg = ElementTree.fromstring(record.drawing(FIGURES))
    tag = "{http://www.w3.org/2000/svg}"
    lines = [line.get("points").split() for line in svg.iter(f"{tag}polyline")]
    assert [len(points) for points in lines] == [2, 1]
    (_, first), (_, second) = (map(float, point.split(",")) for point in lines[0])
    assert second < first  # faster is higher
    assert [dot.get("fill") for dot in svg.iter(f"{tag}circle")][:2] == ["#fff", record.COLOURS[0]]
    assert [title.text for title in svg.iter(f"{tag}title")][-1] == "aaaa, 2026-01-01: 2"
    ElementTree.fromstring(record.drawing([]))


def test_what_is_recorded_can_be_read():
    assert all(figure.ratio > 0 and figure.workload in record.WORKLOADS for figure in record.read())


def test_every_module_of_the_bench_says_what_it_is():
    for path in (ROOT / "bench").rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        assert ast.get_docstring(tree) or not tree.body, path


def test_the_picture_at_the_top_is_animated_and_small():
    for look in ("apples", "apples-dark"):
        picture = (ROOT / f"docs/{look}.png").read_bytes()
        frames = int.from_bytes(picture.partition(b"acTL")[2][:4], "big")
        assert frames > 20
        assert len(picture) < 400_000
        assert f"docs/{look}.png" in (ROOT / "README.md").read_text(encoding="utf-8")
