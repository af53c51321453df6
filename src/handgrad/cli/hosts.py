"""``handgrad train`` by several processes, of which the first writes and tells; and ``handgrad launch``."""

from __future__ import annotations

import argparse
import atexit
import contextlib
import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from handgrad.cli.faults import is_ours
from handgrad.cli.options import positive

HELP = "train by several processes on this machine"
DESCRIPTION = """Start processes that train together through JAX, each on its own devices, and tell what the
first says. On several machines each is started by hand, with --hosts, --host-count and --host-index."""
EXAMPLE = """example:
  handgrad launch --processes 2 train mnist-5k --engine jax --mesh data=2"""
LAST = 60.0  # seconds that the others have to stop by themselves when one is gone


def add(commands: Any) -> argparse.ArgumentParser:
    made = commands.add_parser(
        "launch",
        help=HELP,
        usage="handgrad launch --processes N train [options]",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--processes", "-n", type=positive, required=True, metavar="N", help="how many")
    made.add_argument("line", nargs=argparse.REMAINDER, metavar="train ...", help="what each of them runs")
    return made


def run(args: argparse.Namespace) -> int:
    if args.line[:1] != ["train"]:
        raise ValueError(f"launch starts handgrad train, not {args.line[0] if args.line else 'nothing'}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "handgrad", *args.line, "--hosts", address]
    command += ["--host-count", str(args.processes)]
    started = [
        subprocess.Popen([*command, "--host-index", str(i)], stderr=subprocess.PIPE, text=True)
        for i in range(args.processes)
    ]
    readers = [threading.Thread(target=told, args=(i, p.stderr)) for i, p in enumerate(started)]
    for reader in readers:
        reader.start()
    code = waited(started)
    for reader in readers:
        reader.join()
    return code


def told(index: int, lines: IO[str] | None) -> None:
    """Errors and notes of one process, by its number."""
    for line in lines or ():
        print(f"[{index}] {line}", end="", file=sys.stderr, flush=True)


def waited(started: list[subprocess.Popen]) -> int:
    """Wait for all to end; when one fails, the others are given a while. The worst exit code."""

    def pass_on(number: int, frame: Any) -> None:
        for p in started:
            p.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        until = None
        while any(p.poll() is None for p in started):
            failed = [p for p in started if p.poll()]
            if failed and until is None:
                until = time.monotonic() + LAST
            if until is not None and time.monotonic() > until:
                for p in started:
                    p.kill()
            time.sleep(0.1)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    codes = [p.returncode for p in started]
    return next((code if code > 0 else 1 for code in codes if code), 0)


@contextlib.contextmanager
def together(args: argparse.Namespace) -> Iterator[None]:
    """Join the processes that ``--hosts`` names; ``args.joined`` says which of them this is.

    All but the first print nothing.

    Raises:
        ValueError: hosts or a mesh without JAX; some of the options without the others.
        HostLost: the others did not come.
    """
    from handgrad.train.hosts import Hosts, join

    options = {"hosts": args.hosts, "mesh": args.mesh, "sharding": args.sharding}
    given = [f"--{name}" for name, value in options.items() if value is not None]
    if given and args.engine != "jax" and args.resume is None:
        raise ValueError(f"{given[0]} is of --engine jax")
    args.joined = Hosts()
    if args.hosts is not None:
        automatic = args.hosts == "auto"
        args.joined = join(*((None,) * 3 if automatic else (args.hosts, args.host_count, args.host_index)))
    elif args.host_count is not None or args.host_index is not None:
        raise ValueError("--host-count and --host-index need --hosts, the address of the first process")
    args.quiet = args.quiet or not args.joined.is_first
    try:
        with contextlib.nullcontext() if args.joined.is_first else contextlib.redirect_stdout(io.StringIO()):
            yield
    except Exception as error:
        args.joined.leave(str(error) or type(error).__name__)
        if args.joined.count > 1:  # JAX would wait for the others, which have stopped
            atexit.register(left, 3 if is_ours(error) else 2)
        raise
    args.joined.leave()


def left(code: int) -> None:
    """End at once."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


@contextlib.contextmanager
def folder_for(args: argparse.Namespace, folder: Path) -> Iterator[bool]:
    """The folder of a training, which the first process holds; whether this is the first.

    The others go on when the first has made it ready, that is, leaves ``prepared``.
    """
    from handgrad.train.folder import training_into

    if not args.joined.is_first:
        yield False
        return
    with training_into(folder):
        yield True


def mesh(text: str) -> dict[str, int]:
    """``data=4,model=2``"""
    found = {}
    for part in text.split(","):
        name, mark, size = part.partition("=")
        if not mark or not size.strip().isdecimal() or int(size) < 1:
            raise argparse.ArgumentTypeError(f"{text!r} is not of the form data=4,model=2")
        found[name.strip()] = int(size)
    return found


def sharding(text: str) -> str | dict[str, tuple[str | None, ...]]:
    """``replicated``, ``full``, or ``*.W=-,model;*.b=model``"""
    if "=" not in text:
        return text
    found = {}
    for part in text.split(";"):
        pattern, mark, axes = part.partition("=")
        if not mark or not pattern:
            raise argparse.ArgumentTypeError(f"{part!r} is not of the form '*.W=-,model'")
        found[pattern.strip()] = tuple(None if a.strip() == "-" else a.strip() for a in axes.split(","))
    return found
