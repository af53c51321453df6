"""One report: what the checker says of it."""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np

import handgrad as hg
from bench.reports.expected import REPORTS, Report
from handgrad.cli.naming import Place, module_of

UNEXPLAINED = "no single known mistake explains"
VERDICTS = {True: "right", False: "wrong", None: "cannot tell"}


def checked(file: Path, report: Report) -> tuple[Any, float]:
    """What the checker says, and the seconds of this process's CPUs that it took."""
    with contextlib.redirect_stdout(io.StringIO()):
        module = module_of(Place(str(file), report.target))
    names = {"N": lambda *shape: np.random.default_rng(0).normal(size=shape)} | vars(module)
    target, inputs = eval(report.target, names), eval(report.inputs, names)
    named = eval(f"dict({report.named})", names)
    began = time.process_time()
    found = hg.check(target, *inputs, **named)
    return found, time.process_time() - began


def first_cause(found: Any) -> Any:
    return next((cause for cause in found.causes), None)


def shown(found: Any) -> list[Any]:
    """The causes that the report shows: the first of each input."""
    return list({cause.input: cause for cause in reversed(found.causes)}.values())


def is_named(found: Any, report: Report) -> bool:
    """Whether a cause that the report shows is the true one."""
    told = (cause for cause in shown(found) if UNEXPLAINED not in cause.sentence)
    texts = (f"{c.kind}\n{c.sentence}\n{c.line or ''}\n{c.fix or ''}" for c in told)
    return any(re.search(report.cause, text) for text in texts)


def fixes(file: Path, report: Report, found: Any) -> list[tuple[str, str]]:
    """Each line that the report offers, and the verdict with all of them written in, as its reader would."""
    offered = {}
    told = [each for cause in shown(found) for each in (cause, cause.second) if each is not None]
    for cause in told:
        if cause.fix and cause.line is not None and cause.line.file == str(file):
            offered.setdefault(cause.line.number, cause.fix)
    if not offered:
        return []
    lines = file.read_text().splitlines()
    for number, fix in offered.items():
        old = lines[number - 1]
        kept = old.find(fix.split(maxsplit=1)[0])  # what stands before a lambda, or a body on one line
        kept = kept if kept >= 0 else len(old) - len(old.lstrip())
        lines[number - 1] = old[:kept] + fix
    with tempfile.TemporaryDirectory() as folder:
        repaired = Path(folder) / f"{file.stem}_repaired.py"
        repaired.write_text("\n".join(lines))
        try:
            said = VERDICTS[checked(repaired, report)[0].ok]
        except Exception as error:
            said = type(error).__name__
    return [(fix, said) for fix in offered.values()]


def answer(folder: Path, number: int) -> dict[str, Any]:
    report = REPORTS[number]
    file = folder / f"{report.file}.py"
    try:
        found, seconds = checked(file, report)
    except Exception as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return {"raised": said, "trace": traceback.format_exc()}
    cause = first_cause(found)
    return {
        "verdict": VERDICTS[found.ok],
        "named": found.ok is False and is_named(found, report),
        "cause": f"{cause.kind}: {cause.sentence}" if cause else "",
        "seconds": seconds,
        "fixes": fixes(file, report, found),
        "text": str(found),
    }
