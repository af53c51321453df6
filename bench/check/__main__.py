"""``python -m bench.check``: prints the tables, and writes them to bench/CHECK.md and docs/check.md."""

from __future__ import annotations

import argparse
import os
import platform
import re
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from bench.check import against, beside, deep, ours

PARTS = {
    "mutants": ours.mutants,
    "right": ours.right,
    "peers": beside.beside,
    "deep": deep.deep,
    "time": against.against,
}
ROOT = Path(__file__).parents[2]
MARKED = re.compile(r"(<!-- table -->\n).*?(<!-- /table -->)", re.DOTALL)


def report(parts: list[str], limit: int | None) -> Iterator[str]:
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "torch", "jax", "autograd"))
    yield f"Python {platform.python_version()}, {versions}, {os.cpu_count()} cores of {platform.machine()}."
    for part in parts:
        yield from PARTS[part](limit)


def write(text: str) -> None:
    """To bench/CHECK.md, and between the marks of docs/check.md where it has them."""
    (ROOT / "bench/CHECK.md").write_text(f"# The checker, measured\n\n{text}", encoding="utf-8")
    page = ROOT / "docs/check.md"
    if page.exists():
        old = page.read_text(encoding="utf-8")
        short = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("- "))
        lists = "The lists behind the counts are in [bench/CHECK.md](../bench/CHECK.md)."
        short = f"{short.replace('## ', '### ')}\n{lists}\n"
        page.write_text(MARKED.sub(lambda m: f"{m[1]}\n{short}{m[2]}", old), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.check", description=__doc__)
    parser.add_argument("--only", choices=PARTS, help="one part; nothing is written to the files")
    parser.add_argument("--limit", type=int, metavar="N", help="at most N of each; nothing is written")
    options = parser.parse_args()
    began, lines = time.perf_counter(), []
    for line in report([options.only] if options.only else list(PARTS), options.limit):
        print(line, flush=True)
        lines.append(line)
    lines.append(f"\nAll of it took {time.perf_counter() - began:.0f} seconds.")
    print(lines[-1])
    if options.only is None and options.limit is None:
        write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
