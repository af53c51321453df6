"""ONNX's node tests on handgrad's rules.

    python -m tests.peers.onnx_nodes              # how many pass, and why the others do not
    python -m tests.peers.onnx_nodes Conv Gemm    # those of these operators, each failure with its reason

Tests whose name ends in ``_expanded`` are others once more, as graphs of simpler operators; they are counted
apart. Of those that pass, the gradient in float64 is compared with differences.
"""

from __future__ import annotations

import sys
from collections import Counter

from tests.peers.onnx_nodes.running import cases, gradient_told, report, tell


def main(operators: list[str]) -> None:
    told = [tell(case) for case in cases(operators)]
    for one in told:
        if operators and one.why:
            print(f"{one.name}: {one.why}")
    print(report(told))
    passed = {one.name for one in told if not one.why and not one.is_expanded}
    kinds = Counter(gradient_told(case).partition(":")[0] for case in cases(operators) if case.name in passed)
    print("\ngradients of what passed, against differences:", dict(kinds))


if __name__ == "__main__":
    main(sys.argv[1:])
