"""``python -m bench.reports FOLDER``: every report of a folder, as its author wrote it.

Each in a process of its own, with a limit of time: the verdict, whether the true cause is named, whether the
fixes that are offered work, CPU seconds, and what was raised.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.reports.expected import REPORTS, WRONG, Report
from bench.reports.one import answer


def asked(folder: Path, number: int, limit: int) -> dict[str, Any]:
    """The answer of a process of its own, which may use so many seconds of CPU."""
    with tempfile.NamedTemporaryFile("r") as answered:
        child = os.fork()
        if not child:
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
            Path(answered.name).write_text(json.dumps(answer(folder, number)))
            os._exit(0)
        os.waitpid(child, 0)
        said = answered.read()
    return json.loads(said) if said else {"raised": f"no answer within {limit} s of CPU"}


def line(report: Report, got: dict[str, Any]) -> str:
    said = got.get("verdict", "raised")
    mark = "ok " if said == report.verdict else "NO "
    named = "" if report.verdict != WRONG else "named" if got.get("named") else "-"
    fixed = ", ".join(sorted({verdict for _, verdict in got.get("fixes", [])}))
    seconds = f"{got['seconds']:.2f} s" if "seconds" in got else ""
    what = got.get("raised") or (got.get("cause", "") if said == WRONG else "")
    return f"{mark} {report.name:44.44} {said:12} {named:6} {fixed:12} {seconds:>8}  {what[:110]}"


def totals(reports: list[Report], got: list[dict[str, Any]]) -> Iterator[str]:
    verdicts = sum(g.get("verdict") == r.verdict for r, g in zip(reports, got, strict=True))
    wrong = [g for r, g in zip(reports, got, strict=True) if r.verdict == WRONG]
    fixes = [verdict for g in got for _, verdict in g.get("fixes", [])]
    yield f"verdict right: {verdicts} of {len(reports)}"
    yield f"wrong called right: {sum(g.get('verdict') == 'right' for g in wrong)} of {len(wrong)}"
    yield f"true cause named: {sum(bool(g.get('named')) for g in wrong)} of {len(wrong)}"
    yield f"fixes that work: {fixes.count('right')} of {len(fixes)}"
    yield f"raised: {sum('raised' in g for g in got)}"
    yield f"CPU: {sum(g.get('seconds', 0.0) for g in got):.1f} s"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.reports", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the reports' files are")
    parser.add_argument("only", nargs="*", help="the names of files, case05 say")
    parser.add_argument("--limit", type=int, default=120, metavar="SECONDS", help="for each (default 120)")
    parser.add_argument("--full", action="store_true", help="print what the checker said, too")
    args = parser.parse_args()
    chosen = [n for n, report in enumerate(REPORTS) if not args.only or report.file in args.only]
    got = []
    for number in chosen:
        got.append(asked(args.folder, number, args.limit))
        print(line(REPORTS[number], got[-1]), flush=True)
        if args.full:
            print(got[-1].get("text") or got[-1].get("trace", ""), flush=True)
    print()
    for said in totals([REPORTS[n] for n in chosen], got):
        print(said)


if __name__ == "__main__":
    main()
