"""The record of figures by commit: ``python -m bench.record`` adds a line for each, and draws them all.

bench/record.csv has what was measured, bench/record.svg the ratios over the commits. A figure is a ratio to
NumPy by hand in the same run, contestants taking turns, so that machines of different speed can stand in one
picture; seconds stand beside it. ``--only mlp-tiny`` measures a part, ``--draw`` only draws anew.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import datetime
import subprocess
from collections.abc import Iterable
from pathlib import Path

from bench.by_hand import by_hand
from bench.contestants import ours
from bench.timing import Others, interleaved
from bench.workload import named

FILE = Path(__file__).parent / "record.csv"
PICTURE = FILE.with_suffix(".svg")
WORKLOADS = ("mlp-tiny", "mlp-course", "tabular")
ROUNDS = 7
BUSY = 0.25  # of the machine used by others, above which a figure says little

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 320, 48, 130, 28, 44
COLOURS = ("#2a78d6", "#b8450b", "#1a7f37", "#8250df", "#9a6700")


@dataclasses.dataclass(frozen=True)
class Figure:
    """One workload at one commit: NumPy's seconds a step over handgrad's, and how busy others were."""

    commit: str
    date: str
    workload: str
    ratio: float
    seconds: float
    others: float | None


def measured(workload: str, commit: str, date: str) -> Figure:
    work = named(workload)
    others = Others()
    contestants = {"handgrad": ours(work, "native"), "NumPy": by_hand(work)}
    times = interleaved(contestants, work.epoch_steps(), ROUNDS)
    seconds = times["handgrad"].median
    ratio = times["NumPy"].median / seconds
    share = others.share()
    return Figure(commit, date, workload, round(ratio, 3), float(f"{seconds:.3g}"), share and round(share, 2))


def commit() -> str:
    """The commit that is checked out, with a + where files differ from it."""
    asked = ["git", "describe", "--always", "--abbrev=10", "--dirty=+", "--exclude=*"]
    return subprocess.run(asked, check=True, capture_output=True, text=True, cwd=FILE.parent).stdout.strip()


def append(figures: Iterable[Figure], file: Path = FILE) -> None:
    """Add lines; the first that is written to the file says what its columns are."""
    is_new = not file.exists()
    with file.open("a", newline="", encoding="utf-8") as out:
        lines = csv.writer(out, lineterminator="\n")
        if is_new:
            lines.writerow(field.name for field in dataclasses.fields(Figure))
        lines.writerows(dataclasses.astuple(figure) for figure in figures)


def read(file: Path = FILE) -> list[Figure]:
    with file.open(newline="", encoding="utf-8") as lines:
        return [
            Figure(
                row["commit"],
                row["date"],
                row["workload"],
                float(row["ratio"]),
                float(row["seconds"]),
                float(row["others"]) if row["others"] else None,
            )
            for row in csv.DictReader(lines)
        ]


def drawing(figures: list[Figure]) -> str:
    """The ratios over the commits, in the order in which they were measured, as a standalone SVG document."""
    commits = list(dict.fromkeys(figure.commit for figure in figures))
    most = max([figure.ratio for figure in figures], default=1.0) * 1.1
    across, down = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(figure: Figure) -> tuple[float, float]:
        share = commits.index(figure.commit) / max(len(commits) - 1, 1)
        return LEFT + across * share, TOP + down * (1 - figure.ratio / most)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12"><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
        f'<text x="{LEFT}" y="16">seconds a step of NumPy by hand / of handgrad; '
        "hollow: others used the machine meanwhile</text>"
    ]
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = TOP + down * (1 - share)
        parts.append(f'<path d="M{LEFT} {y:.1f}h{across}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{most * share:.1f}</text>')
    names = list(dict.fromkeys(figure.workload for figure in figures))
    for name, colour in zip(names, COLOURS * len(names), strict=False):
        points = [(place(figure), figure) for figure in figures if figure.workload == name]
        line = " ".join(f"{x:.1f},{y:.1f}" for (x, y), _ in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for (x, y), figure in points:
            told = f"{figure.commit}, {figure.date}: {figure.ratio:g}"
            inside = "#fff" if (figure.others or 0) > BUSY else colour
            parts.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{inside}" stroke="{colour}">'
                f"<title>{told}</title></circle>"
            )
        (x, y), _ = points[-1]
        parts.append(f'<text x="{x + 8:.1f}" y="{y + 4:.1f}" fill="{colour}">{name}</text>')
    if commits:
        parts.append(f'<text x="{LEFT}" y="{HEIGHT - 14}">{commits[0]}</text>')
        parts.append(f'<text x="{LEFT + across}" y="{HEIGHT - 14}" text-anchor="end">{commits[-1]}</text>')
    return "".join([*parts, "</svg>\n"])


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=WORKLOADS, help="what to measure")
    parser.add_argument("--draw", action="store_true", help="measure nothing, draw what is there")
    options = parser.parse_args(given)
    if not options.draw:
        at, date = commit(), datetime.date.today().isoformat()
        for name in options.only:
            figure = measured(name, at, date)
            append([figure])
            print(f"{figure.workload}: {figure.ratio:g} times as fast as NumPy by hand, {figure.seconds:g} s")
    PICTURE.write_text(drawing(read()), encoding="utf-8")


if __name__ == "__main__":
    main()
