"""One workload: that the losses agree, and what a step takes each contestant."""

from __future__ import annotations

from collections.abc import Iterator

from bench.contestants import OURS, SKLEARN, difference, made
from bench.peak import peak
from bench.tables import table, time_of
from bench.timing import Others, interleaved
from bench.workload import named


def report(name: str, engine: str, rounds: int) -> Iterator[str]:
    workload = named(name)
    yield f"\n## One step of {name}\n"
    yield f"{workload.describe()}; the mini-batch gathered. {agreement(name, engine)}"
    contestants, left_out = made(workload, engine)
    floor = workload.product_flops() / (reached := peak())
    others = Others()
    times = interleaved(contestants, workload.unit, rounds)
    yield (
        f"The products of a step are {workload.product_flops() / 1e6:.3g} Mflop: at {reached / 1e9:.0f} "
        f"Gflop/s, the most that products reach here, {time_of(floor)}, the floor. {others}\n"
    )
    yield from table(
        ("", "time", "min .. max", "ratio", "floor / time"),
        (
            (
                name,
                time_of(s.median),
                f"{time_of(s.low)} .. {time_of(s.high)}",
                f"{s.median / times[OURS].median:.2f}",
                f"{100 * floor / s.median:.0f} %",
            )
            for name, s in times.items()
        ),
    )
    for peer, why in left_out.items():
        yield f"\nWithout {peer}, which failed: {why}"


def agreement(name: str, engine: str) -> str:
    singly = 20 if named(name).widths else 10
    apart = difference(named(name), engine, singly, together=singly)
    worst = max(apart, key=apart.__getitem__)
    without = " without dropout" if named(name).dropout else ""
    text = f"Losses{without} differ from handgrad's by at most {apart[worst]:.1e} ({worst})"
    timed = "" if named(name).batch_norm or not named(name).widths else f"; {SKLEARN} is only timed"
    return f"{text} over {singly} steps one by one and {singly} in a call{timed}."
