"""``handgrad export``: what is written of a run, run by others."""

import json
import runpy
import shutil
import subprocess
import sys

import numpy as np
import pytest

from handgrad.cli import main
from handgrad.cli.explain import trained_on
from handgrad.cli.train import trainer_of
from handgrad.data import load
from handgrad.train import load_run
from handgrad.train.exporting import prediction

NODE = "node"
OPTIONS = ["--epochs", "2", "--batch-norm", "--dropout", "0.2", "--optimiser", "adam", "--clip-norm", "1"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs by the data that they are trained on."""
    folder = tmp_path_factory.mktemp("runs")
    csv = folder / "houses.csv"
    rng = np.random.default_rng(0)
    rows = [
        "a,b,town,price",
        *(f"{x:.3f},{y:.3f},{'pq'[i % 2]},{3 * x - y:.3f}" for i, (x, y) in enumerate(rng.random((60, 2)))),
    ]
    csv.write_text("\n".join(rows))
    numbers = folder / "numbers.npz"
    x = rng.standard_normal((40, 5)) * [1, 10, 100, 0, 3]
    np.savez(numbers, x=x, y=(x[:, 1] > x[:, 0]).astype(int))
    for name, source in (("digits", "digits"), ("numbers", str(numbers)), ("houses", str(csv))):
        target = ["--target", "price"] if name == "houses" else []
        assert main(["train", source, *target, *OPTIONS, "--hidden", "7", "--out", str(folder / name)]) == 0
    return folder


@pytest.mark.parametrize("name", ["digits", "numbers", "houses"])
def test_a_network_predicts_as_the_command_does(runs, name, capsys):
    run = load_run(runs / name)
    data = load(run.training["source"], text=run.preparation.text_columns)
    given = run.preparation(data.x) if name == "houses" else data.x.astype(np.float32)
    got = prediction(run, batch=5).program(given[:5])
    np.testing.assert_allclose(got, run.outputs(data.x)[:5], rtol=1e-4, atol=1e-6)


@pytest.mark.skipif(shutil.which(NODE) is None, reason="there is no node")
def test_a_module_is_written_and_predicts(runs, capsys):
    assert main(["export", str(runs / "digits"), "--to", "wasm"]) == 0
    assert "bytes in" in capsys.readouterr().out
    run = load_run(runs / "digits")
    x = load("digits").x[:1]
    (runs / "digits" / "run.mjs").write_text(
        "import fs from 'fs'; import {load} from './loader.mjs';\n"
        "const {run, layout} = await load(fs.readFileSync('predict.wasm'));\n"
        f"console.log(JSON.stringify([Array.from(run({{x: {x.ravel().tolist()}}}).out), layout.about]));\n"
    )
    ran = subprocess.run([NODE, "run.mjs"], cwd=runs / "digits", check=True, capture_output=True, text=True)
    out, about = json.loads(ran.stdout)
    np.testing.assert_allclose([out], run.outputs(x), rtol=1e-4, atol=1e-6)
    assert about == "1 x digits -> probabilities of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9"


@pytest.mark.parametrize("name", ["digits", "houses"])
def test_a_file_of_numpy_makes_twenty_steps_to_the_bits_of_the_engine(runs, name, tmp_path):
    file = tmp_path / "network.py"
    assert main(["export", str(runs / name), "--to", "source", "-o", str(file), "--batch", "16"]) == 0
    space = runpy.run_path(str(file))
    params, states, moments, x, t = space["load"]()
    started, all_x, _ = trained_on(runs / name)
    trained = load_run(runs / name)
    started.net.load_parameters(trained.net.parameters())
    started.net.load_states(trained.net.states())
    trainer = trainer_of(started, len(all_x))
    progress = trainer.progress
    np.testing.assert_array_equal(x, all_x[:16])
    for number in range(1, 21):
        lr = float(trainer.optimiser.rate(progress.step))
        progress, loss, _ = trainer.step(progress, x, t)
        (params, states, moments), own = space["step"](params, states, moments, x, t, lr, float(number))
        assert float(own) == loss
    for mine, theirs in ((params, progress.params), (states, progress.states)):
        assert list(mine) == list(theirs)
        for key, value in theirs.items():
            assert np.asarray(mine[key]).tobytes() == np.asarray(value).tobytes(), key


def test_a_file_of_numpy_runs_by_itself_and_reads_from_top_to_bottom(runs, tmp_path):
    file = tmp_path / "network.py"
    assert main(["export", str(runs / "digits"), "--to", "source", "-o", str(file)]) == 0
    ran = subprocess.run(
        [sys.executable, "-I", "-W", "error", file], check=True, capture_output=True, text=True
    )
    assert [line.split(":")[0] for line in ran.stdout.splitlines()] == [f"step {n:2}" for n in range(1, 21)]
    text = file.read_text()
    assert "handgrad" not in text.partition('"""\n')[2].replace('"""', "")
    places = [
        text.index(f"    # {part}")
        for part in ("affine", "softmax_cross_entropy", "backward of", "update of")
    ]
    assert places == sorted(places)
    assert max(map(len, text.splitlines())) < 160


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--to", "wasm", "-o", "f.o"], "--out f.o: the file of --to wasm ends in .wasm"),
        (["--to", "wasm", "--target", "avx2"], "--target is of an object file: write --to object"),
        (["--to", "source", "--step"], "--to source has the step beside the network: leave --step out"),
        (["--to", "object", "-o", "nowhere/f.o"], "--out: there is no folder nowhere"),
        (["--to", "coreml"], "invalid choice: 'coreml'"),
        ([], "the following arguments are required: --to"),
    ],
)
def test_bad_options_are_one_sentence(runs, options, sentence, capsys):
    try:
        code = main(["export", str(runs / "digits"), *options])
    except SystemExit as end:
        code = end.code
    assert code == 2
    err = capsys.readouterr().err
    assert sentence in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("name", ["digits", "numbers", "houses"])
def test_a_model_of_onnx_predicts_any_number(runs, name, capsys):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    assert main(["export", str(runs / name), "--to", "onnx"]) == 0
    assert "predict.onnx" in capsys.readouterr().out
    run = load_run(runs / name)
    data = load(run.training["source"], text=run.preparation.text_columns)
    given = run.preparation(data.x) if name == "houses" else data.x.astype(np.float32)
    session = onnxruntime.InferenceSession(str(runs / name / "predict.onnx"))
    for n in (1, 7):
        (got,) = session.run(None, {"x": given[:n].astype(np.float32)})
        np.testing.assert_allclose(got, run.outputs(data.x)[:n], rtol=1e-4, atol=1e-5)
    assert main(["export", str(runs / name), "--to", "onnx", "--step"]) == 2
    assert "leave --step out" in capsys.readouterr().err
