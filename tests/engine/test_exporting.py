"""Functions as files: WebAssembly in node, objects in C, NumPy alone; each gives what the function gives."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

import handgrad as hg
from handgrad.engine.exporting import Exported, named, write
from handgrad.engine.nodes import NotCompiled
from handgrad.layers import mlp
from handgrad.program import trace
from handgrad.tree import leaves

NODE, CC, ARM_CC, EMULATOR = "node", "cc", "aarch64-linux-gnu-gcc", "qemu-aarch64"
RNG = np.random.default_rng(0)
X, T = RNG.standard_normal((8, 3), np.float32), RNG.integers(4, size=8)
NET = mlp([3, 5, 4], seed=0).train()
PARAMS = NET.parameters()


def step(params, x, t, lr):
    """A step of gradient descent."""
    loss, grads = hg.value_and_grad(lambda p: hg.softmax_cross_entropy(NET.bind(p)(x), t))(params)
    return {name: p - lr * grads[name] for name, p in params.items()}, loss


ARGS = (PARAMS, X, T, 0.1)
ARRAYS = [np.asarray(x, np.float64 if isinstance(x, float) else None) for x in leaves(ARGS)]
WANTED = [np.asarray(x) for x in leaves(step(*ARGS))]


def is_there(*programs):
    missing = [p for p in programs if shutil.which(p) is None]
    return pytest.mark.skipif(bool(missing), reason=f"there is no {' and no '.join(missing)}")


def check(got, rtol=1e-5):
    assert len(got) == len(WANTED)
    for a, b in zip(got, WANTED, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-6)


RUN = """
import fs from 'fs';
import {load} from './loader.mjs';
const given = JSON.parse(fs.readFileSync('given.json'));
const {layout, inputs, run} = await load(fs.readFileSync('step.wasm'));
for (const [name, values] of Object.entries(given))
  given[name] = inputs[name] instanceof BigInt64Array ? values.map(BigInt) : values;
const made = run(given);
console.log(JSON.stringify(Object.values(made).map(a => Array.from(a))));
for (const bad of [{nobody: [1]}, {x: [1, 2]}])
  try { run(bad); console.log('no error'); } catch (error) { console.log(error.message); }
"""


@is_there(NODE)
def test_a_module_runs_by_its_loader(tmp_path):
    files = hg.compile(step).export(tmp_path / "step.wasm", *ARGS)
    assert files == [tmp_path / "step.wasm", tmp_path / "loader.mjs"]
    names = dict(
        pair
        for name, tree in zip(["params", "x", "t", "lr"], ARGS, strict=True)
        for pair in named_arrays(tree, name)
    )
    (tmp_path / "given.json").write_text(json.dumps({k: v.ravel().tolist() for k, v in names.items()}))
    (tmp_path / "run.mjs").write_text(RUN)
    ran = subprocess.run([NODE, "run.mjs"], cwd=tmp_path, check=True, capture_output=True, text=True)
    numbers, *errors = ran.stdout.splitlines()
    check([np.reshape(a, w.shape) for a, w in zip(json.loads(numbers), WANTED, strict=True)])
    assert errors == [
        "there is no input nobody: it takes params.1.W, params.1.b, params.3.W, params.3.b, x, t, lr",
        "x has 24 numbers (8 x 3), not 2",
    ]


def named_arrays(tree, name):
    return [(key, x) for key, x in named(tree, name)] or [(name, np.asarray(tree, np.float64))]


@is_there(NODE)
def test_what_is_written_over_an_input_stays_and_inputs_begin_with_their_values(tmp_path):
    program = trace(lambda total, x: total + x, np.arange(3.0), np.arange(3.0))
    exported = Exported("add", program, ["total", "x"], donated={0: 0}, values={0: np.array([1.0, 2.0, 3.0])})
    write(exported, tmp_path / "add.wasm")
    (tmp_path / "run.mjs").write_text(
        "import fs from 'fs'; import {load} from './loader.mjs';\n"
        "const {run} = await load(fs.readFileSync('add.wasm'));\n"
        "run({x: [10, 10, 10]}); console.log(Array.from(run().out).join());\n"
    )
    ran = subprocess.run([NODE, "run.mjs"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == "21,22,23"


MAIN = """
#include <stdio.h>
#include "step.h"

static _Alignas(64) char scratch[STEP_SCRATCH_BYTES];
%s

int main(void) {
%s
    int fine = step(%s, scratch);
    fwrite(&fine, sizeof fine, 1, stdout);
%s
    return 0;
}
"""
TYPES = {"float32": "float", "float64": "double", "int64": "int64_t"}


def linked_and_run(folder, compiler, *runner):
    """The results of the step, from a program in C that reads its inputs and writes its outputs."""

    def declared(name, x):
        return f"static {TYPES[str(x.dtype)]} {name}[{max(x.size, 1)}];"

    ins, outs = [f"in{i}" for i in range(len(ARRAYS))], [f"out{i}" for i in range(len(WANTED))]
    arrays = "\n".join(map(declared, [*ins, *outs], [*ARRAYS, *WANTED]))
    reads = "\n".join(f"    if (!fread({n}, sizeof {n}, 1, stdin)) return 1;" for n in ins)
    writes = "\n".join(f"    fwrite({n}, sizeof {n}, 1, stdout);" for n in outs)
    (folder / "main.c").write_text(MAIN % (arrays, reads, ", ".join([*ins, *outs]), writes))
    flags = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", *(["-static"] if runner else [])]
    subprocess.run([compiler, *flags, "main.c", "step.o", "-lm", "-o", "main"], cwd=folder, check=True)
    given = b"".join(x.tobytes() for x in ARRAYS)
    out = subprocess.run([*runner, "./main"], cwd=folder, input=given, check=True, capture_output=True).stdout
    assert int.from_bytes(out[:4], "little") == 1
    found, start = [], 4
    for w in WANTED:
        found.append(np.frombuffer(out, w.dtype, w.size, start).reshape(w.shape))
        start += w.nbytes
    return found


@is_there(CC)
@pytest.mark.skipif(sys.platform != "linux", reason="objects are of Linux's kind (ELF)")
def test_an_object_is_linked_by_c(tmp_path):
    files = hg.compile(step).export(tmp_path / "step.o", *ARGS)
    assert files == [tmp_path / "step.o", tmp_path / "step.h"]
    check(linked_and_run(tmp_path, CC))


@is_there(ARM_CC, EMULATOR)
def test_an_object_for_arm_runs_there(tmp_path):
    hg.compile(step).export(tmp_path / "step.o", *ARGS, target="neon")
    check(linked_and_run(tmp_path, ARM_CC, EMULATOR))


@is_there(CC)
@pytest.mark.skipif(sys.platform != "linux", reason="objects are of Linux's kind (ELF)")
def test_an_object_defines_one_function_and_keeps_its_constants(tmp_path):
    table = RNG.standard_normal(1000)
    hg.compile(lambda x: x + table).export(tmp_path / "f.o", table)
    defined = subprocess.run(
        ["nm", "-g", "--defined-only", "f.o"], cwd=tmp_path, capture_output=True, text=True
    )
    assert [line.split()[-1] for line in defined.stdout.splitlines()] == ["f"]


def test_a_file_of_numpy_runs_alone(tmp_path):
    table = RNG.standard_normal(1000)

    def scaled(x, y):
        return hg.softmax(x * table) + y

    files = hg.compile(scaled).export(tmp_path / "scaled.py", table, table)
    assert files == [tmp_path / "scaled.py", tmp_path / "scaled.npz"]
    code = (
        "import sys; sys.path.insert(0, '.'); import numpy as np; from scaled import scaled\n"
        "x = np.arange(1000) / 7; assert 'handgrad' not in sys.modules; print(scaled(x, x).tobytes().hex())"
    )
    ran = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    x = np.arange(1000) / 7
    assert bytes.fromhex(ran.stdout) == scaled(x, x).tobytes()


def test_arguments_are_called_by_the_function_s_names(tmp_path):
    (file,) = hg.compile(lambda x, *ys: x + ys[0]).export(tmp_path / "f.py", X, X)
    assert "def f(x, a1):" in file.read_text()


@pytest.mark.parametrize(
    ("path", "options", "sentence"),
    [
        ("f.onnx", {}, r"f\.onnx ends in none of \.wasm, \.o and \.py"),
        ("f.wasm", {"target": "avx2"}, r"a target is of an object file, \.o, not of"),
        ("f.o", {"target": "sparc"}, "code is made for .*not for 'sparc'"),
    ],
)
def test_what_cannot_be_written_is_said(tmp_path, path, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        hg.compile(lambda x: x + 1).export(tmp_path / path, X, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["f.wasm", "f.o"])
def test_what_needs_numpy_is_refused(tmp_path, path):
    with pytest.raises(NotCompiled, match=r"has no NumPy, which is needed: .*sort"):
        hg.compile(lambda x: hg.sort(x)).export(tmp_path / path, X)


def test_a_name_that_no_language_takes_is_refused():
    with pytest.raises(ValueError, match="'é' is no name of a function in Python, C and JavaScript"):
        Exported("é", trace(lambda x: x, X), ["x"])
