"""PyTorch's own operations, called on recorded tensors: its values and its gradients, in float64?

    python -m tests.peers.opinfo             # how many operations are covered, and why the others are not
    python -m tests.peers.opinfo amax norm   # these operations alone, with what each sample said

The samples are PyTorch's (``torch_samples``). An operation is covered if all of its samples give PyTorch's
values, and for a random dout PyTorch's gradients by all inputs that have one. One whose derivative is zero
everywhere, or that draws random numbers, shows nothing here and is excluded.
"""

from __future__ import annotations

import math
import sys
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.testing._internal.common_methods_invocations import op_db

import handgrad as hg
from tests.peers.torch_samples import KNOWN_WRONG, LeftOut, TorchCase, refuse_undifferentiable, samples

TOLERANCE = 1e-9  # of the largest number, or of LEAST: sums run in another order than PyTorch's
LEAST = 1e-3
REASONS = {
    "complex numbers inside": "fft_hfft fft_hfft2 fft_hfftn fft_irfft fft_irfft2 fft_irfftn stft",
    "PyTorch's gradient is right behind log_softmax alone": "nn_functional_ctc_loss",
    "reads memory that is not its tensor's": "as_strided_partial_views",
    "random matrices inside": "svd_lowrank pca_lowrank",
    "sparse": "to_sparse",
    "what PyTorch calls inside, or tries out": """
        _unsafe_masked_index _unsafe_masked_index_put_accumulate
        _segment_reduce_lengths _segment_reduce_offsets
        _upsample_bilinear2d_aa _native_batch_norm_legit _batch_norm_with_update native_batch_norm
        native_dropout_backward nn_functional_linear_cross_entropy nn_functional_linear_cross_entropy_chunked
        nn_functional_linear_cross_entropy_chunked_none
    """,
}
"""Why operations that are differentiable are left out."""
WHY_NOT = {name: why for why, names in REASONS.items() for name in names.split()}
EVERY_SIZE = math.inf, math.inf


@dataclass
class Told:
    """What an operation's samples said: nothing of those that passed."""

    name: str
    samples: int = 0
    excluded: str = ""
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def is_covered(self) -> bool:
        return not self.excluded and not self.failures

    @property
    def is_partly(self) -> bool:
        return not self.excluded and 0 < len(self.failures) < self.samples


def tell(operation: Any) -> Told:
    told = Told(operation.formatted_name)
    skipped: Counter[str] = Counter()
    try:
        refuse_undifferentiable(operation)
        cases = list(samples(operation, skipped, EVERY_SIZE))
    except LeftOut as why:
        told.excluded = str(why).partition(": ")[2]
        return told
    told.samples = len(cases)
    if not cases:
        told.excluded = "no sample in float64: " + ", ".join(why.partition(": ")[2] for why in skipped)
        return told
    if told.name in WHY_NOT:
        told.excluded = WHY_NOT[told.name]
        return told
    if told.name in KNOWN_WRONG:
        told.excluded = f"wrong in PyTorch: {KNOWN_WRONG[told.name]}"
        return told
    answers = [theirs(case) for case in cases]
    if any(is_random(case) for case in cases):
        told.excluded = "draws random numbers"
    elif not any(torch.any(dx != 0) for _, _, gradients in answers for dx in gradients):
        told.excluded = "its derivative is zero everywhere"
    else:
        found = ((case.name, difference(case, *answer)) for case, answer in zip(cases, answers, strict=True))
        told.failures = {name: why for name, why in found if why}
    return told


def several(out: Any) -> tuple:
    return out if isinstance(out, tuple) else (out,)


def theirs(case: TorchCase) -> tuple[tuple, tuple, tuple]:
    """PyTorch's outputs, a dout for each, and its gradients."""
    torch.manual_seed(0)
    outs = several(case.f(*case.inputs))
    draw = torch.Generator().manual_seed(7)
    douts = tuple(torch.rand(out.shape, dtype=out.dtype, generator=draw) + 0.3 for out in outs)
    gradients = torch.autograd.grad(outs, case.inputs, douts, allow_unused=True, materialize_grads=True)
    return tuple(out.detach() for out in outs), douts, tuple(dx.detach() for dx in gradients)


def is_random(case: TorchCase) -> bool:
    """Whether other seeds give other values."""
    outs = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        outs.append([out.detach() for out in several(case.f(*case.inputs))])
    return not all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(*outs, strict=True))


def difference(case: TorchCase, outs: tuple, douts: tuple, gradients: tuple) -> str:
    """What is not PyTorch's, or nothing."""
    try:
        torch.manual_seed(0)
        made, backward = hg.vjp(case.f, *(x.detach() for x in case.inputs))
        given = backward(douts if isinstance(made, tuple) else douts[0])
    except Exception as error:  # whatever it is, the operation does not work
        message = " ".join(str(error).split())
        return f"{type(error).__name__}: {message}"
    for what, mine, wanted in (("value", several(made), outs), ("gradient", given, gradients)):
        for a, b in zip(mine, wanted, strict=True):
            if not is_close(a, b):
                return f"another {what}: {_start(a)}, not {_start(b)}"
    return ""


def is_close(a: Any, b: torch.Tensor) -> bool:
    if not isinstance(a, torch.Tensor) or a.shape != b.shape or a.dtype != b.dtype:
        return False
    finite = b[torch.isfinite(b)]
    scale = finite.abs().max().item() if finite.numel() else 0.0
    return torch.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE * max(min(scale, 1.0), LEAST), equal_nan=True)


def _start(x: Any) -> str:
    if not isinstance(x, torch.Tensor):
        return repr(x)[:200]
    return f"{tuple(x.shape)} {str(x.dtype).partition('.')[2]} {x.flatten()[:6].tolist()}"


def chosen(names: Iterable[str]) -> Iterator[Any]:
    wanted = set(names)
    for operation in op_db:
        if not wanted or wanted & {operation.name, operation.formatted_name}:
            yield operation


def report(told: list[Told]) -> str:
    asked = [t for t in told if t.samples]
    covered = [t for t in asked if t.is_covered]
    lines = [
        f"{len(covered)} operations covered, of {len(asked)} with float64 samples and {len(told)} in all",
        f"{sum(t.samples for t in covered)} samples passed, of {sum(t.samples for t in covered)} of theirs",
    ]
    kinds = defaultdict(list)
    for t in told:
        if t.excluded:
            kinds[t.excluded].append(t.name)
        elif t.failures:
            kinds["partly" if t.is_partly else kind_of(next(iter(t.failures.values())))].append(t.name)
    for why, names in sorted(kinds.items(), key=lambda item: -len(item[1])):
        lines += ["", f"{len(names)} {why}", "  " + " ".join(names)]
    return "\n".join(lines)


def kind_of(why: str) -> str:
    """A failure in words that many share."""
    if "has no rule" in why:
        return "has no rule"
    return why if why.startswith("another") is False and len(why) < 60 else why.partition(":")[0]


def main(names: list[str]) -> None:
    warnings.simplefilter("ignore")
    told = [tell(operation) for operation in chosen(names)]
    for t in told if names else [t for t in told if t.is_partly]:
        print(f"{t.name}: {t.samples - len(t.failures)} of {t.samples} {t.excluded}")
        kinds = {why.partition("(")[0][:40]: f"{name}: {why[:300]}" for name, why in t.failures.items()}
        for line in kinds.values():
            print("   ", line)
    print(report(told))


if __name__ == "__main__":
    main(sys.argv[1:])
