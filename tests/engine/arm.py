"""The engine's code for ARM (NEON), run by an emulator: products, sums, casts, rules, steps of training.

    python -m tests.engine.arm

It needs a compiler and a C library for AArch64, and qemu-aarch64: on Debian the packages
gcc-aarch64-linux-gnu and qemu-user. All programs are linked into one executable; each run is held to what the
program means on NumPy, and two threads to the bits of one.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import handgrad as hg
from handgrad.arrays import xp
from handgrad.engine.nodes import Constant
from handgrad.engine.runtime import native
from handgrad.engine.targets.here import elsewhere
from handgrad.program import trace
from handgrad.tree import leaves
from tests.engine.support import arrays_in, assembled, assert_right, same_bits
from tests.engine.test_every_rule import Use
from tests.engine.test_levels import CHOSEN, SOME
from tests.engine.test_other_processors import NETWORKS, a_step
from tests.engine.test_products import FORMS, SOME as SIZES, factors
from tests.engine.test_scans import CASES as LOOPS

COMPILER, EMULATOR = "aarch64-linux-gnu-gcc", "qemu-aarch64"


def programs():
    """(name, program, arguments)"""
    for dtype in (np.float32, np.float64):
        for form, f in FORMS.items():
            given = [factors(form, *size, dtype) for size in SIZES]
            yield f"products, {form}, {np.dtype(dtype)}", trace(products_of(f), given), given
        for n in (129, 2049, 100_001):
            x = np.random.default_rng(n).uniform(0, 1, (n, 3)).astype(dtype)
            sums = trace(lambda x: (hg.sum(x), hg.sum(x, axis=0), hg.var(x, axis=0), x.T @ x), x)
            yield f"sums of {n}, {np.dtype(dtype)}", sums, [x]
        for name in SOME:
            use = Use(CHOSEN[name], dtype)
            yield f"{name}, {np.dtype(dtype)}", use.program, use.arrays
        for widths, batch in (NETWORKS[0], *NETWORKS[2:8]):
            program, args = a_step(widths, batch, dtype)
            yield f"a step of {widths}, {np.dtype(dtype)}", program, args
    for name, (f, args) in LOOPS.items():
        yield f"a loop, {name}", trace(f, *args), args
    floats = np.array([0.5, -1.9, 300.0, -129.0, 2.0**31, -(2.0**31), 1e20, np.inf, -np.inf, np.nan])
    for want in ("int8", "uint8", "int32", "uint16", "int64", "uint64"):
        yield f"as {want}", trace(as_dtype(np.dtype(want)), floats), [floats]
    whole = np.array([-(2**31), -7, -1, 0, 1, 3, 2**31 - 1], np.int32)
    x, y = (np.ascontiguousarray(a.ravel()) for a in np.meshgrid(whole, whole))
    yield "division", trace(lambda x, y: (xp.floor_divide(x, y), xp.remainder(x, y)), x, y), [x, y]


def products_of(f):
    return lambda pairs: [f(x, y) for x, y in pairs]


def as_dtype(dtype):
    return lambda x: hg.astype(x, dtype)


class Emulated:
    """Programs as one executable for the emulator, each for one thread and for two."""

    def __init__(self, folder, given):
        self.folder, self.modules, objects = Path(folder), [], []
        arm = elsewhere("neon")
        for number, (program, threads) in enumerate((p, n) for p in given for n in (1, 2)):
            module = assembled(program, arm, threads)
            text = re.sub(r"@run0\(", f"@program{number}(", module.text())
            objects.append(self.folder / f"{number}.o")
            objects[-1].write_bytes(native.object_code(text, arm))
            self.modules.append(module)
        names = [f"program{n}" for n in range(len(objects))]
        declared = "\n".join(
            f"void {n}(void **, void *, int64_t *, void *, int64_t, int (*)(void));" for n in names
        )
        (self.folder / "runs.h").write_text(f"{declared}\nstatic Run RUNS[] = {{{', '.join(names)}}};\n")
        driver = Path(__file__).with_name("arm_driver.c")
        self.executable = self.folder / "programs"
        command = [COMPILER, "-O1", "-static", f"-I{self.folder}", driver, *objects, "-lm", "-lpthread"]
        subprocess.run([*command, "-o", self.executable], check=True)

    def run(self, number, program, args):
        """What that program gives for its arrays."""
        module = self.modules[number]
        outs = [x for x in leaves(program.outputs) if hasattr(x, "dtype")]
        constants = [n.value for n in module.table if isinstance(n, Constant)]
        given = [*arrays_in(args), *constants, *(np.zeros(x.shape, x.dtype) for x in outs)]
        head = [len(given), module.arena_bytes, module.schedule.threads, *(a.nbytes for a in given)]
        sent = np.array(head, np.int64).tobytes() + b"".join(a.tobytes() for a in given)
        command = [EMULATOR, self.executable, str(number)]
        got = subprocess.run(command, input=sent, stdout=subprocess.PIPE, check=True).stdout
        got = got[sum(a.nbytes for a in given[: -len(outs)]) :]
        status = np.frombuffer(got[-32:], np.int64)
        assert not status.any(), f"it was flagged: {status}"
        found, start = [], 0
        for x in given[-len(outs) :]:
            found.append(np.frombuffer(got[start : start + x.nbytes], x.dtype).reshape(x.shape))
            start += x.nbytes
        return found


def main():
    missing = [tool for tool in (COMPILER, EMULATOR) if shutil.which(tool) is None]
    if missing:
        sys.exit(
            f"{' and '.join(missing)}: not found. On Debian: apt install gcc-aarch64-linux-gnu qemu-user"
        )
    cases = list(programs())
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        emulated = Emulated(folder, [program for _, program, _ in cases])
        for k, (name, program, args) in enumerate(cases):
            one, two = (emulated.run(2 * k + n, program, args) for n in range(2))
            try:
                assert_right(one, program, args)
                assert same_bits(one, two), "two threads give other bits than one"
            except AssertionError as error:
                failed += 1
                print(f"{name}: {error}\n", flush=True)
    print(f"{len(cases)} programs for ARM, each with one thread and with two: {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
