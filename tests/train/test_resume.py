"""What a checkpoint is compared with before anything is taken from it."""

import functools
import json

import numpy as np
import pytest
from safetensors.numpy import load, save

import handgrad as hg
from handgrad.layers import Layer, Sequential, mlp
from handgrad.optim import SGD, Adam, Momentum, cosine, step_decay, warm_up
from handgrad.train import CheckpointError, Trainer, l2, training

RNG = np.random.default_rng(0)
X, T = RNG.random((40, 4)).astype("f"), RNG.integers(3, size=40)
SOFT = np.eye(3)[T]


class Data:
    """Rows that are read by mini-batch."""

    def __init__(self, x):
        self.x = x

    def __len__(self):
        return len(self.x)

    def __getitem__(self, places):
        return self.x[places]


def loss_by_a_number(number):
    return lambda y, t: number * hg.softmax_cross_entropy(y, t)


def fitted(out, resume=False, fit=None, x=X, t=T, **change):
    options = {
        "net": lambda: mlp([4, 5, 3], batch_norm=True, seed=0),
        "loss": hg.softmax_cross_entropy,
        "optimiser": Adam(0.01),
        "engine": "numpy",
    }
    options |= change
    net = options.pop("net")()
    one = Trainer(net, options.pop("loss"), options.pop("optimiser"), out=out, **options)
    one.fit(x, t, **{"epochs": 1, "batch_size": 16, **(fit or {})}, resume=resume)
    return one


SAME = [
    {},
    {"fit": {"epochs": 2}},
    {"fit": {"validation": (X, T)}},
    {"loss": lambda y, t: hg.softmax_cross_entropy(y, t)},
    {"checkpoint_seconds": 0.0},
]


@pytest.mark.parametrize("change", SAME)
def test_the_same_training_goes_on(tmp_path, change):
    fitted(tmp_path, loss=change.get("loss", hg.softmax_cross_entropy))
    fitted(tmp_path, resume=True, **change)


CHANGES = [
    ({}, {"seed": 1}, "its seed is 0, this one's is 1"),
    ({}, {"fit": {"batch_size": 17}}, "its batch_size is 16, this one's is 17"),
    ({}, {"x": X + 1}, "its inputs hold other numbers than this one's"),
    ({}, {"x": X[::-1]}, "its inputs hold other numbers"),
    ({}, {"t": T[::-1]}, "its targets hold other numbers"),
    (
        {},
        {"x": X[:-1], "t": T[:-1]},
        r"its examples is 40, this one's is 39; its inputs is 40 of float32 \(4,\)",
    ),
    ({}, {"t": SOFT}, r"its targets is 40 of int64 \(\), this one's is 40 of float32 \(3,\)"),
    ({"x": Data(X)}, {"x": Data(X * 2)}, "its inputs hold other numbers"),
    ({}, {"optimiser": Adam(0.02)}, "its optimiser's lr is 0.01, this one's is 0.02"),
    ({}, {"optimiser": Adam(0.01, beta1=0.8)}, "its optimiser's beta1 is 0.9, this one's is 0.8"),
    ({}, {"optimiser": Momentum(0.01)}, "its optimiser's name is Adam, this one's is Momentum"),
    ({}, {"optimiser": Adam(cosine(0.01, 9))}, "its optimiser's lr is 0.01, this one's is a schedule"),
    (
        {"optimiser": SGD(step_decay(0.1, 4))},
        {"optimiser": SGD(step_decay(0.1, 8))},
        r"its optimiser's lr's step 4 is 0\.01\d*, this one's is 0\.1",
    ),
    (
        {"optimiser": SGD(warm_up(0.1, 4))},
        {"optimiser": SGD(warm_up(0.1, 5))},
        r"its optimiser's lr's step 0 is 0\.02, this one's is 0\.01",
    ),
    ({"clip_norm": 1.0}, {"clip_norm": None}, "its clip_norm is 1.0, this one's is None"),
    ({}, {"clip_value": 2}, "its clip_value is None, this one's is 2"),
    ({}, {"penalty": l2(0.1)}, r"its penalty is None, this one's is l2\(weight=0.1, pattern='\*'\)"),
    ({"penalty": l2(0.1)}, {"penalty": l2(0.2)}, "what its penalty computes is not what this one's does"),
    (
        {},
        {"loss": hg.mean_squared_error, "t": SOFT},
        "its loss is softmax_cross_entropy, .* mean_squared_error",
    ),
    ({"loss": loss_by_a_number(1.0)}, {"loss": loss_by_a_number(2.0)}, "what its loss computes is not what"),
    ({}, {"metrics": {"a": lambda y, t: y[:, 0]}}, r"its metrics is \['accuracy'\], this one's is \['a'\]"),
    (
        {"metrics": {"a": lambda y, t: y[:, 0]}},
        {"metrics": {"a": lambda y, t: y[:, 1]}},
        "what its metric a computes",
    ),
    (
        {},
        {"net": lambda: mlp([4, 5, 3], "tanh", batch_norm=True, seed=0)},
        "its layers's 3 is ReLU, .* is Tanh",
    ),
    (
        {},
        {"net": lambda: mlp([4, 5, 3], "leaky-relu", batch_norm=True)},
        "what its network computes is not what",
    ),
    ({}, {"net": lambda: mlp([4, 6, 3], batch_norm=True)}, r"its parameters's 1\.W is float32 \(4, 5\)"),
    ({}, {"net": lambda: mlp([4, 5, 3], batch_norm=True, dtype=float)}, r"this one's is float64 \(4, 5\)"),
    ({}, {"fit": {"patience": 2, "validation": (X, T)}}, "its patience is None, this one's is 2"),
    (
        {"fit": {"patience": 2, "validation": (X, T)}},
        {"fit": {"patience": 2, "validation": (X + 1, T)}},
        "its validation hold other numbers",
    ),
]


@pytest.mark.parametrize(("before", "after", "said"), CHANGES)
def test_another_training_is_refused_and_what_differs_is_said(tmp_path, before, after, said):
    fitted(tmp_path, **before)
    kept = (tmp_path / "checkpoint.json").read_text()
    with pytest.raises(CheckpointError, match=f"is of another training: .*{said}"):
        fitted(tmp_path, resume=True, **{**before, **after})
    assert (tmp_path / "checkpoint.json").read_text() == kept
    fitted(tmp_path, resume=True, **before)


def test_names_are_the_same_in_each_process():
    loss = functools.partial(lambda y, t, by: by * hg.softmax_cross_entropy(y, t), by=2.0)
    assert "0x" not in training.named(loss)

    class Loss:
        def __call__(self, y, t):
            return hg.softmax_cross_entropy(y, t)

    assert training.named(Loss()) == "Loss"
    assert training.named(l2(0.1)) == "l2(weight=0.1, pattern='*')"
    assert training.named(hg.softmax_cross_entropy) == "softmax_cross_entropy"


def test_each_part_of_a_step_has_a_digest(tmp_path):
    one = fitted(tmp_path, penalty=l2(0.1))
    digests = one.training["programs"]
    assert list(digests) == ["network", "loss", "optimiser", "penalty", "metric accuracy"]
    assert len({*digests.values()} - {None}) == 5


def test_slopes_of_one_activation_are_told_apart(tmp_path):
    def net(slope):
        return lambda: Sequential(mlp([4, 3], seed=0), hg.layers.LeakyReLU(slope))

    fitted(tmp_path, net=net(0.1))
    fitted(tmp_path, net=net(0.1), resume=True)
    with pytest.raises(CheckpointError, match="what its network computes is not what this one's does"):
        fitted(tmp_path, net=net(0.2), resume=True)


class Noise(Layer):
    def forward(self, x):
        return x + np.random.standard_normal(x.shape).astype("f")


def test_what_draws_at_random_is_no_other_each_time(tmp_path):
    def net():
        return Sequential(Noise(), mlp([4, 3], seed=0))

    fitted(tmp_path, net=net)
    fitted(tmp_path, net=net, resume=True)


# Damage.


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """The files of one."""
    out = tmp_path_factory.mktemp("training")
    fitted(out, fit={"patience": 3, "validation": (X, T)})
    return {file.name: file.read_bytes() for file in out.iterdir() if file.is_file()}


def resumed(out, checkpoint, **change):
    for name, content in {**checkpoint, **change}.items():
        (out / name).write_bytes(content)
    return fitted(out, resume=True, fit={"patience": 3, "validation": (X, T)})


def with_fields(checkpoint, **fields):
    saved = json.loads(checkpoint["checkpoint.json"]) | fields
    return json.dumps({key: value for key, value in saved.items() if value is not ...}).encode()


def test_undamaged(tmp_path, checkpoint):
    assert resumed(tmp_path, checkpoint).progress.step == 3


FIELDS = ["format", "tensors", "step", "epoch", "batch", "totals", "best", "finished", "training", "host"]


@pytest.mark.parametrize("field", FIELDS)
def test_a_missing_field_is_named(tmp_path, checkpoint, field):
    with pytest.raises(CheckpointError, match=f"checkpoint.json: .*{field}"):
        resumed(tmp_path, checkpoint, **{"checkpoint.json": with_fields(checkpoint, **{field: ...})})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", 99), ("format", 1), ("format", "x"),
        ("tensors", "/etc/passwd"), ("tensors", "../../x"), ("tensors", 5), ("tensors", ""), ("tensors", "."),
        ("tensors", "config.json"), ("tensors", "checkpoint-3.safetensors/../../checkpoint-3.safetensors"),
        ("tensors", "checkpoint-3.safetensors\n"),
        ("step", "x"), ("step", -3), ("step", 1.5), ("step", None), ("step", True), ("step", 4),
        ("epoch", -1), ("epoch", 10**9), ("epoch", "2"), ("batch", 10**6), ("batch", -3), ("batch", 1.5),
        ("totals", []), ("totals", {"examples": 0}), ("totals", {"loss": "x"}),
        ("finished", "no"), ("finished", 0),
        ("best", 5), ("best", {}), ("best", {"epoch": "a", "loss": 1.0}),
        ("best", {"epoch": 1, "loss": None}),
        ("training", 3), ("training", []), ("host", "here"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(tmp_path, checkpoint, field, value):
    with pytest.raises(CheckpointError, match=rf"is damaged: checkpoint\.json: .*{field}"):
        resumed(tmp_path, checkpoint, **{"checkpoint.json": with_fields(checkpoint, **{field: value})})


def test_a_description_that_is_gone_is_another_training(tmp_path, checkpoint):
    with pytest.raises(
        CheckpointError, match="is of another training: its examples is None, this one's is 40"
    ):
        resumed(tmp_path, checkpoint, **{"checkpoint.json": with_fields(checkpoint, training={})})


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"null", b"NaN", b"\xff\xfe", b"[" * 100_000, b'{"format": 2']
)
def test_json_that_is_none(tmp_path, checkpoint, content):
    with pytest.raises(CheckpointError, match=r"is damaged: .*checkpoint\.json"):
        resumed(tmp_path, checkpoint, **{"checkpoint.json": content})


def of_arrays(change):
    """A file of tensors that were changed."""

    def content(old):
        arrays = load(old)
        change(arrays)
        return save(arrays)

    return content


def first(arrays, part):
    return next(name for name in sorted(arrays) if name.startswith(part))


def put(part, x):
    return of_arrays(lambda arrays: arrays.update({first(arrays, part): x}))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda old: b"", "header too small"),
        (lambda old: old[:100], "header"),
        (lambda old: old + b"xx", "not fully covered"),
        (of_arrays(lambda a: a.pop(first(a, "params"))), r"missing params/1\.W"),
        (of_arrays(lambda a: a.pop(first(a, "moments"))), r"missing moments/1\.W/m"),
        (of_arrays(lambda a: a.update({"x": np.ones(2)})), "unknown x"),
        (of_arrays(lambda a: a.update({"../../x": np.ones(2)})), r"unknown \.\./\.\./x"),
        (of_arrays(lambda a: a.update({"moments/zz/q": np.ones(2)})), "unknown moments/zz/q"),
        (put("params", np.array(1, "f")), r"params/1\.W is float32 \(\), the network's is float32 \(4, 5\)"),
        (put("states", np.ones((1, 5), "f")), r"float32 \(1, 5\), the network's is float32 \(5,\)"),
        (put("moments", np.ones((4, 5), np.float16)), r"moments/1\.W/m is float16 \(4, 5\)"),
        (put("params", np.ones((4, 5), int)), r"params/1\.W is int64 \(4, 5\)"),
        (put("best", np.ones(3, "f")), r"best/1\.W is float32 \(3,\)"),
    ],
)
def test_tensors_that_are_not_the_networks(tmp_path, checkpoint, damage, said):
    name = "checkpoint-3.safetensors"
    with pytest.raises(CheckpointError, match=f"is damaged: {name}: .*{said}"):
        resumed(tmp_path, checkpoint, **{name: damage(checkpoint[name])})


def test_damaged_figures_name_file_and_line(tmp_path, checkpoint):
    with pytest.raises(ValueError, match=r"line 2 of .*metrics\.jsonl"):
        resumed(tmp_path, checkpoint, **{"metrics.jsonl": checkpoint["metrics.jsonl"] + b"oops\n"})


def test_another_processor_is_told(tmp_path, checkpoint, monkeypatch):
    monkeypatch.setattr(training.platform, "machine", lambda: "abacus")
    with pytest.warns(
        UserWarning, match="was made with processor .*, and this is abacus: the training goes on"
    ):
        resumed(tmp_path, checkpoint)


def test_levels_of_one_processor_are_told_apart(monkeypatch):
    monkeypatch.setenv("HANDGRAD_CPU", "native")
    here = training.host("native")
    monkeypatch.setenv("HANDGRAD_CPU", "sse2" if "x86" in training.platform.machine() else "neon")
    assert training.host("native")["processor"] != here["processor"]


def test_numbers_without_axes_come_back(tmp_path):
    class Scale(Layer):
        def __init__(self):
            self.params = {"s": np.asarray(1.0, np.float32)}

        def forward(self, x):
            return x * self.params["s"]

    def net():
        return Sequential(mlp([4, 3], seed=0), Scale())

    fitted(tmp_path, net=net)
    assert fitted(tmp_path, net=net, resume=True).progress.params["1.s"].shape == ()


def test_a_fingerprint_is_the_same_in_another_process():
    import subprocess
    import sys

    code = (
        "import numpy as np, handgrad as hg; from handgrad.program import trace; "
        "from handgrad.train.training import fingerprint; "
        "f = hg.grad(lambda x: hg.sum(hg.tanh(x[1:]) * np.arange(2.0)**.5)); "
        "print(fingerprint(trace(f, np.ones(3))))"
    )
    said = {subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout for _ in "ab"}
    assert len(said) == 1
    assert len(said.pop().strip()) == 16
