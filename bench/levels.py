"""The benches of kernels alone: the same measurement with each set of instructions, for everyone in it.

Libraries choose their instructions when they are loaded, so each level is a process of its own, which prints
a line of JSON for each result.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.timing import Others

LEVELS = {  # what the peers are told, so that all use the same instructions
    "native": {},
    "avx2": {
        "HANDGRAD_CPU": "avx2",
        "OPENBLAS_CORETYPE": "Haswell",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
    },
}
Section = Callable[[str, int, float, list[dict]], Iterator[str]]


def parser_for(name: str, about: str | None, rounds: int) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m bench.{name}", description=about)
    parser.add_argument("--level", nargs="+", choices=LEVELS, default=list(LEVELS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, os.cpu_count() or 1])
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--write", action="store_true", help=f"into {name.upper()}.md but for its notes")
    parser.add_argument("--as-json", action="store_true", help=argparse.SUPPRESS)
    return parser


def tell(peak: float, found: Iterator[dict]) -> None:
    """One level, in this process: the peak of a core, and a line for each result."""
    print(json.dumps(peak), flush=True)
    for result in found:
        print(json.dumps(result), flush=True)


def report(name: str, title: str, asked: argparse.Namespace, section: Section, unit: str = "") -> None:
    """Each level asked for, printed, and written where that is asked for."""
    others, lines = Others(), []
    for level in asked.level:
        peak, *found = _ask(name, level)
        for threads in asked.threads:
            lines += section(level, threads, peak, [r for r in found if r["threads"] == threads])
    print("\n".join(lines))
    if asked.write:
        out = Path(__file__).with_name(f"{name.upper()}.md")
        what = f"{processor()}; float32, {unit}the best of {asked.rounds} runs. {others}"
        notes = out.read_text("utf-8").partition("\n## Notes")[1:] if out.exists() else ()
        out.write_text("\n".join([f"# {title}\n\n{what}", *lines]) + "\n" + "".join(notes), "utf-8")


def _ask(name: str, level: str) -> list:
    ran = subprocess.run(
        [sys.executable, "-m", f"bench.{name}", *sys.argv[1:], "--as-json"],
        env={**os.environ, **LEVELS[level]},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return list(map(json.loads, ran.stdout.splitlines()))


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    if "model name" not in fields:
        return platform.processor() or platform.machine()
    return f"{fields['model name']} (family {fields['cpu family']}, model {fields['model']})"
