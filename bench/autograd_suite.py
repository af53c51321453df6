"""HIPS autograd's own tests on handgrad: ``python -m bench.autograd_suite [autograd's source]``.

The source is a folder or a .tar.gz; without it the distribution is downloaded from PyPI (``pip download``).
Nothing of it is kept here. Its tests run against a stand-in for autograd (``autograd_stand_in``); a test of
complex numbers alone is not applicable, and so are tests of autograd's insides.

Prints how many tests passed, gave a wrong result, and failed for another reason (a function or keyword that
handgrad refuses); ``--all`` names them.
"""

from __future__ import annotations

import collections
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.autograd_stand_in import Counts, WrongResult, install

REQUIREMENT = "autograd==1.9.1"


class Outcomes:
    """A plugin of pytest that sorts what came of each test."""

    def __init__(self) -> None:
        self.names: dict[str, list[str]] = collections.defaultdict(list)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: Any) -> Iterator[None]:
        Counts.real = Counts.left_out = 0
        name = f"{item.path.name}::{item.name}"
        try:
            yield
        except pytest.skip.Exception as skipped:
            self.names["not applicable"].append(f"{name}: {skipped}")
            raise
        except WrongResult as error:
            self.names["wrong"].append(f"{name}: {error}")
            raise
        except BaseException as error:
            said = " ".join(str(error).split())[:100]
            self.names["failed"].append(f"{name}: {type(error).__name__}: {said}")
            raise
        complex_alone = Counts.left_out and not Counts.real
        kind = "not applicable" if complex_alone else "passed"
        self.names[kind].append(f"{name}{': complex' if complex_alone else ''}")

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "setup" and report.skipped:
            self.names["not applicable"].append(f"{report.nodeid}: marked so")

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed or report.skipped:
            kind = "failed" if report.failed else "not applicable"
            self.names[kind].append(f"{report.nodeid}: not imported: {str(report.longrepr)[-200:]}")


def source_of(source: Path | None, folder: Path) -> Path:
    """The folder of autograd's source, of a distribution of it, or of the one that is downloaded."""
    if source is None:
        command = [sys.executable, "-m", "pip", "download", REQUIREMENT, "--no-binary", ":all:", "--no-deps"]
        subprocess.run([*command, "-q", "-d", str(folder)], check=True)
        source = next(folder.glob("autograd-*.tar.gz"))
    if source.is_dir():
        return source
    with tarfile.open(source) as archive:
        archive.extractall(folder, filter="data")
    return next(folder.glob("autograd-*/"))


def main(arguments: list[str]) -> int:
    verbose = "--all" in arguments
    paths = [Path(a) for a in arguments if not a.startswith("-")]
    with tempfile.TemporaryDirectory() as folder:
        source = source_of(paths[0] if paths else None, Path(folder))
        install(source)
        tests = source / "tests"
        outcomes = Outcomes()
        settings = Path(folder) / "pytest.ini"  # not theirs, which asks for plugins
        settings.write_text("[pytest]\n")
        options = ["-q", "--no-header", "--tb=no", "-p", "no:cacheprovider", "-p", "no:warnings"]
        pytest.main([*options, "-c", str(settings), "--rootdir", str(tests), str(tests)], plugins=[outcomes])
    print()
    for kind in ("passed", "wrong", "failed", "not applicable"):
        print(f"{len(outcomes.names[kind]):5}  {kind}")
    for kind in ("wrong", *(("failed", "not applicable") if verbose else ())):
        for name in outcomes.names[kind]:
            print(f"{kind}: {name}")
    return 1 if outcomes.names["wrong"] else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
