"""What was built before is loaded and not built again, and is the same; whatever is wrong costs time only."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import handgrad as hg
from handgrad.engine import Code, NotCompiledWarning, building, explain, manifest
from handgrad.engine.manifest import Manifest
from handgrad.engine.runtime import cache, native
from handgrad.engine.targets.here import at_level, levels, this_computer
from handgrad.program import trace

rng = np.random.default_rng(0)
X, W, B = (rng.standard_normal(s) for s in ((6, 4), (4, 5), (5,)))


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("HANDGRAD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def network(x, W, b):
    return hg.sum(hg.tanh(hg.affine(x, W, b)) * np.arange(5.0), axis=1), x + 1


def program(f=network, *args):
    return trace(f, *(args or (X, W, B)))


def results(code, *args, **options):
    outs = [np.empty(x.shape, x.dtype) for x in hg.tree.leaves(code.program.outputs)]
    code(args or (X, W, B), outs, **options)
    return [out.tobytes() for out in outs]


def found(code):
    """Whether nothing was planned for it."""
    return "optimised" not in code.stages.__dict__


def test_it_is_loaded_and_the_same():
    first, second = Code(program()), Code(program())
    assert [found(first), found(second)] == [False, True]
    assert results(first) == results(second)
    assert found(second)
    for what in ("flops", "workers", "clocks", "constants", "arena"):
        assert np.array_equal(getattr(first, what), getattr(second, what)), what
    assert explain(first, ir=True) == explain(second, ir=True)
    assert not found(second)


def test_code_on_threads_written_over_its_inputs_and_timed():
    rows = rng.standard_normal((64, 48)).astype(np.float32)
    square = rng.standard_normal((48, 48)).astype(np.float32)

    def step(x, W):
        return hg.tanh(x @ W), W - hg.mean(x) * np.float32(0.1)

    made = []
    for _ in range(2):
        code = Code(program(step, rows, square), donated={1: 1}, workers=2, timed=True)
        x, W = rows.copy(), square.copy()
        out = np.empty_like(x)
        code([x, W], [out, W])
        made.append((found(code), out.tobytes(), W.tobytes()))
        assert code.cycles().shape == (2, len(code.schedule.kernels) + 1)
        assert code.cycles().sum() > 0
    assert [m[0] for m in made] == [False, True]
    assert made[0][1:] == made[1][1:]


def test_a_loop():
    def f(x, W):
        scale = np.arange(4.0)
        return hg.scan(lambda h, row: (hg.tanh(h @ W + row) * scale, hg.sum(h)), x[0], x)

    square = rng.standard_normal((4, 4))
    codes = [Code(program(f, X, square)) for _ in range(2)]
    assert [found(code) for code in codes] == [False, True]
    assert results(codes[0], X, square) == results(codes[1], X, square)
    assert name(program(lambda x, W: hg.scan(lambda h, row: (h @ W, row), x[0], x), X, square))


def test_an_index_out_of_range_is_still_noticed():
    table, places = rng.standard_normal((5, 3)), np.array([1, 7])
    for _ in range(2):
        code = Code(program(lambda t, i: hg.take(t, i, axis=0), table, places))
        with pytest.raises(IndexError, match="out of range"):
            code([table, places], [np.empty((2, 3))])
    assert found(code)


CONSTANT = [
    X,
    X[:, ::-1],
    X.T,
    np.arange(24.0).reshape(6, 4),
    rng.standard_normal((3, 6, 4)),
    np.float64(2.5),
]


@pytest.mark.parametrize("c", CONSTANT, ids=lambda c: str(np.shape(c)))
def test_constants(c):
    """The program's own, in any order in memory."""

    def f(x):
        return hg.sum(x * (c.T if np.shape(c) == (4, 6) else c)), x + np.exp(np.sum(c)), hg.exp(np.float64(2))

    codes = [Code(program(f, X)) for _ in range(2)]
    assert [found(code) for code in codes] == [False, True]
    assert results(codes[0], X) == results(codes[1], X)


def test_constants_with_other_contents_are_other_entries():
    def f(c):
        return lambda x: x + c

    base = np.zeros((6, 4))
    for c in (base, -base, np.full((6, 4), 5e-324), base.astype(np.float32), base[:1], base + np.nan):
        code = Code(program(f(c), X))
        assert not found(code)
        assert results(code, X) == [(X + c).tobytes()]


DIFFERENT = {
    "another operation": lambda x: hg.sum(x, axis=0),
    "another order": lambda x: (x, hg.sum(x, axis=0)),
    "the order back": lambda x: (hg.sum(x, axis=0), x),
    "another option": lambda x: hg.sum(x, axis=1),
    "kept dimensions": lambda x: hg.sum(x, axis=1, keepdims=True),
    "a number": lambda x: x * 2,
    "a float": lambda x: x * 2.5,
    "another float": lambda x: x * np.nextafter(2.5, 3),
    "of float32": lambda x: x * np.float32(2.5),
    "named outputs": lambda x: {"a": x * 2, "b": x * 3},
    "in another order": lambda x: {"b": x * 3, "a": x * 2},
    "a slice": lambda x: x[1:3],
    "another slice": lambda x: x[1:3, :2],
    "a slice with a step": lambda x: x[1:5:2],
    "a cast": lambda x: hg.astype(x, np.float32),
    "another cast": lambda x: hg.astype(x, np.int64),
    "twice the first": lambda x: (x[:1] + x[:1], x[1:2]),
    "one of each": lambda x: (x[:1] + x[1:2], x[1:2]),
}


def test_other_programs_are_other_entries():
    names = {}
    for kind, f in DIFFERENT.items():
        for dtype in (np.float64, np.float32):
            names[kind, dtype] = name(program(f, X.astype(dtype)))
    names["shape"] = name(program(DIFFERENT["a number"], X[:5]))
    names["weak"] = name(trace(lambda x, y: x * y, X.astype("f"), 2.0))
    names["strong"] = name(trace(lambda x, y: x * y, X.astype("f"), np.float64(2.0)))
    assert None not in names.values()
    assert len(set(names.values())) == len(names)


def name(program, **options):
    given = {"donated": {}, "target": this_computer(), "workers": None, "small": 2e6} | options
    parts = Manifest(building.Stages(program, **given)).parts
    return cache.name(parts) if parts else None


OPTIONS = [
    {"donated": {1: 0}},
    {"workers": 1},
    {"workers": 2},
    {"small": 1e6},
    {"usable": 77},
    {"timed": True},
    {"bfloat16": True},
    *({"target": at_level(level)} for level in levels()),
]


def test_other_options_are_other_entries():
    names = [name(program(), **options) for options in [{}, *OPTIONS]]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("module", "what", "value"),
    [(manifest, "SOURCES", "others"), (native, "SPEED", 1), (np, "__version__", "0"), (cache, "FORMAT", 9)],
)
def test_built_by_other_versions_is_another_entry(monkeypatch, module, what, value):
    before = name(program())
    monkeypatch.setattr(module, what, value)
    assert name(program()) != before


def test_edited_sources(tmp_path):
    """A file of the same size and time, another name, another place: each is another engine."""
    seen = [manifest.digest(tmp_path)]
    assert seen == [None]
    for part in ("arrays", "engine", "program"):
        (tmp_path / part / "inner").mkdir(parents=True)

    def look():
        seen.append(manifest.digest(tmp_path))

    file = tmp_path / "engine" / "inner" / "a.py"
    for text in ("x = 1", "x = 2"):
        file.write_text(text)
        os.utime(file, (0, 0))
        look()
    file.rename(file.with_name("b.py"))
    look()
    (tmp_path / "program" / "c.py").write_text("")
    look()
    assert len(set(seen)) == len(seen)
    (tmp_path / "engine" / "notes.txt").write_text("no part of it")
    assert manifest.digest(tmp_path) == seen[-1]


def test_without_sources_nothing_is_kept(monkeypatch):
    monkeypatch.setattr(manifest, "SOURCES", None)
    codes = [Code(program()) for _ in range(2)]
    assert not any(map(found, codes))


class Named(float):
    def __repr__(self):
        return "the same for all"


def test_what_says_too_little_of_itself_has_no_entry():
    """It could be another thing by the same name."""
    for value in (Named(2.0), Named(3.0)):
        code = Code(program(lambda x, value=value: hg.clip(x, 0, value), X))
        assert results(code, X) == [np.clip(X, 0, float(value)).tobytes()]


def test_with_numpy_between_native_parts_nothing_is_kept():
    for _ in range(2):
        with pytest.warns(NotCompiledWarning, match="sort"):
            code = Code(program(lambda x: hg.tanh(np.sort(x, axis=0)), X))
        assert not found(code)


def test_without_a_cache(monkeypatch):
    monkeypatch.setenv("HANDGRAD_CACHE", "off")
    assert name(program()) is None
    assert len({results(Code(program()))[0] for _ in range(2)}) == 1


@pytest.mark.parametrize("limit", [manifest.EMBEDDED, 10])
def test_constants_that_are_computed_are_kept_if_they_are_small(monkeypatch, limit):
    monkeypatch.setattr(manifest, "EMBEDDED", limit)
    codes = [Code(program(lambda x: x + np.exp(np.zeros_like(x) + B[:4]), X)) for _ in range(2)]
    assert [found(code) for code in codes] == [False, limit > 10]
    assert results(codes[0], X) == results(codes[1], X)


# Damage.


@pytest.fixture
def kept(place):
    """A program's results, and the path of its entry."""
    expected = results(Code(program()))
    return expected, place / f"{name(program())}.code"


def check_mended(expected):
    """It is built anew, is right, and is there the next time."""
    for was_found in (False, True):
        code = Code(program())
        assert found(code) == was_found
        assert results(code) == expected


def test_damage(kept):
    expected, path = kept
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[-20] ^= 1
    for data in (b"", whole[:30], whole[:-1], whole + b" ", bytes(damaged)):
        path.write_bytes(data)
        check_mended(expected)


def test_an_entry_that_is_another_programs(kept, place):
    expected, path = kept
    Code(program(lambda x, W, b: (x * 2, x), X, W, B))
    other = place / f"{name(program(lambda x, W, b: (x * 2, x), X, W, B))}.code"
    path.write_bytes(other.read_bytes())
    check_mended(expected)


def change(**new):
    return lambda found: json.dumps(found | new).encode()


STRANGE = {
    "nothing": lambda found: b"",
    "no JSON": lambda found: b"{",
    "no text": lambda found: b"\xff\xfe\x00",
    "a list": lambda found: b"[]",
    "a number": lambda found: b"3",
    "other fields": change(more=1),
    "fewer fields": lambda found: json.dumps({k: v for k, v in found.items() if k != "runs"}).encode(),
    "no entries": change(entries=None),
    "entries that are none": change(entries=["../../x", "zz"]),
    "entries that are gone": change(entries=["0" * 40]),
    "constants that are none": change(constants=[99]),
    "strange constants": change(constants=[["<f8", [5], "no base64!"]]),
    "constants of another size": change(constants=[["<f8", [5], "AAAA"]]),
}


@pytest.mark.parametrize("kind", STRANGE)
def test_strange_contents(kept, kind):
    """Whole and by its right name, but not what is expected there."""
    expected, _ = kept
    parts = Manifest(building.Stages(program(), {}, this_computer(), None, 2e6)).parts
    cache.write([(parts, STRANGE[kind](json.loads(cache.read(parts))))])
    check_mended(expected)


def test_objects_that_are_gone_or_damaged(kept, place):
    expected, path = kept
    for entry in sorted(place.glob("*.code")):
        if entry != path:
            whole = entry.read_bytes()
            for data in (None, whole[:-1]):
                entry.unlink() if data is None else entry.write_bytes(data)
                check_mended(expected)


ELSEWHERE = """
import numpy as np
from handgrad.engine import Code
from tests.engine.test_manifest import found, program, results
rng = np.random.default_rng(1)  # other hashes, another order of whatever has none
code = Code(program())
print(found(code), results(code)[0].hex())
"""


def test_another_process_finds_it(kept):
    expected, _ = kept
    run = [sys.executable, "-c", ELSEWHERE]
    root = Path(__file__).parents[2]
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        said = subprocess.run(run, capture_output=True, text=True, env=environment, cwd=root)
        assert said.returncode == 0, said.stderr
        assert said.stdout.split() == ["True", expected[0].hex()], said.stderr


@pytest.mark.skipif(
    not Path("/proc/self/maps").exists(), reason="Linux says which pieces of memory there are"
)
def test_the_room_that_many_objects_need():
    """No more pieces of memory than are asked for beforehand."""
    target = this_computer()
    ir = "define i64 @f{n}(i64 %x) {{\n  %y = add i64 %x, {n}\n  ret i64 %y\n}}"
    objects = [native.object_code(ir.format(n=n), target) for n in range(100)]
    native.Native(objects[:1], target)
    before = Path("/proc/self/maps").read_text().count("\n")
    loaded = native.Native(objects, target)
    assert Path("/proc/self/maps").read_text().count("\n") - before <= native.MAPS
    assert all(loaded.address(f"f{n}") for n in range(100))


def test_many_calls_are_made_into_code_quickly():
    """The module that calls kernels is not optimised, and does the same."""
    square, length = rng.standard_normal((6, 6)), 102

    def f(x):
        for n in range(length):
            x = hg.tanh(x @ square) if n % 2 else x * x - hg.sum(x, axis=1, keepdims=True)
        return x

    code = Code(program(f, square), workers=2)
    assert len(code.schedule.kernels) > 100
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "PLAIN", native.SPEED)
        patch.setattr(manifest, "SOURCES", "others")
        optimised = Code(program(f, square), workers=2)
    assert set(optimised.stages.__dict__) >= {"assembly"}
    assert results(code, square) == results(optimised, square)
