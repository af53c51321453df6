"""``handgrad sample``: what a network of text writes."""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

from handgrad.cli.options import natural, not_negative, positive

HELP = "let a network that was trained on text write"
DESCRIPTION = """Write on from a prompt, symbol by symbol: each is drawn by the probabilities that the network
gives. A low temperature keeps to what is likely, 0 always takes the likeliest."""
EXAMPLE = 'example:\n  handgrad sample runs/plays --prompt "ROMEO:" --temperature 0.8 --count 500'


def add(commands: argparse._SubParsersAction) -> argparse.ArgumentParser:
    made = commands.add_parser(
        "sample",
        help=HELP,
        usage="handgrad sample RUN [options]",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    option = made.add_argument
    option("folder", type=Path, metavar="RUN", help="the folder of a finished training on text")
    option("--prompt", metavar="TEXT", help="what to go on from (default: a new line)")
    option("--count", type=positive, default=500, metavar="N", help="how many symbols (default 500)")
    option("--temperature", type=not_negative, default=1.0, metavar="T", help="(default 1)")
    option("--top-k", type=positive, metavar="K", help="draw from the K likeliest alone")
    option("--seed", type=natural, default=0, metavar="N", help="of the draws (default 0)")
    return made


def run(args: argparse.Namespace) -> int:
    from handgrad.train.text import load_text_run

    trained = load_text_run(args.folder)
    characters = trained.alphabet.characters
    prompt = args.prompt
    if prompt is None:
        prompt = "\n" if characters is None or "\n" in characters else characters[0]
    if not prompt:
        raise ValueError("--prompt is of one character at least")
    numbers = trained.numbers(
        trained.alphabet.encode(prompt.encode()), args.temperature, args.top_k, args.seed
    )
    print(prompt, end="")
    for part in trained.alphabet.decode(itertools.islice(numbers, args.count)):
        print(part, end="", flush=True)
    print()
    return 0
