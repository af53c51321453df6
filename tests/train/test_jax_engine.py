"""Training through JAX: the same training as the others', on one device, on eight, and by two processes."""

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import handgrad as hg
from handgrad.layers import mlp
from handgrad.train import NonFiniteError, Trainer

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="there is no JAX")
MESHES = [[{"data": 1}, None], [{"data": 8}, None], [{"data": 8}, "full"], [{"data": 4, "model": 2}, None]]


def on_devices(network, dtype, steps, meshes=MESHES):
    order = json.dumps({"network": network, "dtype": dtype, "steps": steps, "meshes": meshes})
    command = [sys.executable, "-m", "tests.train.on_devices", order]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


@pytest.mark.parametrize(("network", "dtype", "rtol"), [("norm", "float32", 1e-5), ("gpt", "float64", 1e-10)])
def test_meshes_make_the_same_training(network, dtype, rtol):
    one, *others = on_devices(network, dtype, 20)
    assert sum(one["communicates"].values()) == 0
    for other in others:
        np.testing.assert_allclose(other["losses"], one["losses"], rtol=rtol)
    replicated, full, _ = others
    if network == "gpt":  # batch norm's statistics are more
        assert replicated["communicates"]["all-reduce"] == 1
    assert replicated["communicates"]["all-gather"] == 0
    assert full["communicates"]["all-gather"] > 0
    for each in (one, *others):  # our count, and XLA's, which counts random numbers and indices too
        ours, by_xla = each["costs"]["flops"]
        assert by_xla / 1.4 < ours < by_xla
        assert each["costs"]["held"][0] == each["costs"]["held"][1]
    gradients, summed = replicated["costs"]["summed"]
    assert gradients < summed < 1.1 * gradients
    bytes_of = [sum(int(row[3]) for row in each["lies"]) for each in (replicated, full)]
    assert bytes_of[1] < 0.5 * bytes_of[0]


def digits():
    data = hg.data.load("digits")
    return (data.x[:300] / 16).reshape(300, -1).astype(np.float32), data.t[:300]


def trained(engine, epochs=2, **options):
    net = mlp([64, 16, 10], seed=0)
    trainer = Trainer(net, hg.softmax_cross_entropy, hg.optim.Adam(1e-3), engine=engine, **options)
    return trainer, trainer.fit(*digits(), epochs=epochs, batch_size=32, validation=digits())


def test_one_device_makes_the_training_of_the_other_engines():
    _, ours = trained("jax")
    for engine in ("native", "numpy"):
        for a, b in zip(ours, trained(engine)[1], strict=True):
            for figure in ("loss", "accuracy", "validation_loss"):
                np.testing.assert_allclose(a[figure], b[figure], rtol=1e-5)


def test_a_checkpoint_goes_on_with_another_engine_and_back(tmp_path):
    whole = trained("native", 3)[1]
    trained("jax", 1, out=tmp_path)
    net = mlp([64, 16, 10], seed=0)
    for engine, epochs in (("native", 2), ("jax", 3)):
        trainer = Trainer(net, hg.softmax_cross_entropy, hg.optim.Adam(1e-3), engine=engine, out=tmp_path)
        with pytest.warns(UserWarning, match=f"made with engine .*, and this is {engine}"):
            records = trainer.fit(*digits(), epochs=epochs, batch_size=32, validation=digits(), resume=True)
    np.testing.assert_allclose([r["loss"] for r in records], [r["loss"] for r in whole], rtol=1e-5)


def test_a_loss_that_is_not_finite_leaves_the_last_whole_step():
    net = mlp([64, 16, 10], seed=0)
    trainer = Trainer(net, hg.softmax_cross_entropy, hg.optim.SGD(1e38), engine="jax")
    with pytest.raises(NonFiniteError, match=r"step \d: the (loss|gradient) is not finite"):
        trainer.fit(*digits(), epochs=3, batch_size=32)
    assert all(np.isfinite(p).all() for p in net.parameters().values())
    assert trainer.progress.step >= 1


def length(y, t):
    """The mean length of outputs, each times its target; the gradient at a target of 0 is nan."""
    return hg.mean(hg.sqrt(hg.sum(y * y, axis=1) * t))


@pytest.mark.parametrize("position", [0, 40, 299])
def test_a_gradient_that_is_not_finite_ends_at_its_step_and_nothing_after_it_is_kept(position):
    x, _ = digits()
    t = np.ones(len(x), np.float32)
    t[hg.data.permutation(len(x), 0, 0)[position]] = 0
    found = []
    for engine in ("jax", "numpy"):
        net = mlp([64, 16, 10], seed=0)
        trainer = Trainer(net, length, hg.optim.Adam(1e-3), engine=engine)
        with pytest.raises(NonFiniteError, match=rf"step {position // 10 + 1}: the gradient is not finite"):
            trainer.fit(x, t, epochs=1, batch_size=10)
        assert trainer.progress.step == position // 10
        found.append(net.parameters())
    for name, p in found[0].items():
        np.testing.assert_allclose(p, found[1][name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(), (1,), (7,), (3000,), (1, 3000), (3000, 1), (50, 60), (16, 16, 3, 3)])
def test_one_number_that_is_not_finite_is_found_and_the_largest_are_not_taken_for_it(dtype, shape):
    import jax
    import jax.numpy as jnp

    from handgrad.train.engines.by_jax import all_finite

    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        x = jnp.full(shape, jnp.finfo(dtype).max, dtype)
        check = jax.jit(all_finite)
        assert check(x)
        assert check(-x)
        for wrong in (np.inf, -np.inf, np.nan):
            place = tuple(int(rng.integers(n)) for n in shape)
            assert not check(x.at[place].set(wrong))


def test_data_that_is_not_in_memory_is_read_by_rows():
    x, t = digits()

    class Rows:
        shape, dtype, read = x.shape, x.dtype, 0

        def __len__(self):
            return len(x)

        def __getitem__(self, index):
            return x[index]

    net = mlp([64, 16, 10], seed=0)
    trainer = Trainer(net, hg.softmax_cross_entropy, hg.optim.Adam(1e-3), engine="jax")
    records = trainer.fit(Rows(), t, epochs=2, batch_size=32)
    np.testing.assert_allclose(
        [r["loss"] for r in records], [r["loss"] for r in trained("native")[1]], rtol=1e-5
    )
    assert trainer.steps.rows_read == 2 * len(x)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"mesh": {"data": 3}}, "mesh: data 3 x model 1 are 3 devices, and there are 1"),
        ({"sharding": {"*.V": ("data", None)}}, r"sharding: no parameter is called '\*\.V'"),
    ],
)
def test_a_mesh_that_cannot_be_is_said_before_the_first_step(options, sentence):
    net = mlp([64, 16, 10], seed=0)
    trainer = Trainer(net, hg.softmax_cross_entropy, hg.optim.SGD(0.1), engine="jax", **options)
    with pytest.raises(ValueError, match=sentence):
        trainer.fit(*digits(), epochs=1, batch_size=32)
    assert trainer.progress.step == 0


# By two processes.

KILLS = 20
ON_CPU = {"JAX_NUM_CPU_DEVICES": "2", "JAX_PLATFORMS": "cpu"}
TRAIN = ["train", "digits", "--engine", "jax", "--batch-size", "96", "--hidden", "16"]


def launched(*options, processes=2, **more):
    command = [sys.executable, "-m", "handgrad", "launch", "--processes", str(processes), *options]
    environment = os.environ | ON_CPU
    return subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more
    )


def figures(folder, name="loss"):
    return [json.loads(line)[name] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def alone(folder, *options):
    command = [sys.executable, "-m", "handgrad", *options]
    subprocess.run(command, check=True, capture_output=True)
    return figures(folder)


def test_two_processes_make_the_training_of_one(tmp_path):
    wanted = alone(tmp_path / "one", *TRAIN, "--epochs", "3", "--out", str(tmp_path / "one"))
    made = launched(*TRAIN, "--sharding", "full", "--epochs", "2", "--out", str(tmp_path / "two"))
    out, err = made.communicate(timeout=300)
    assert made.returncode == 0, err
    assert out.count("epoch 1/2") == 1  # one tells
    np.testing.assert_allclose(figures(tmp_path / "two"), wanted[:2], rtol=1e-5)
    parts = sorted(file.name for file in (tmp_path / "two").glob("checkpoint-*"))
    assert [name.partition(".")[2] for name in parts] == ["0-of-2.safetensors", "1-of-2.safetensors"]
    found = alone(
        tmp_path / "two", "train", "--resume", str(tmp_path / "two"), "--epochs", "3", "--engine", "native"
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_each_of_two_processes_reads_its_rows_and_no_others(tmp_path):
    """By index, where the data is not in memory: half of each mini-batch."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    made = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.train.of_two_processes", address, str(index)],
            cwd=ROOT, env=os.environ | ON_CPU, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for index in range(2)
    ]  # fmt: skip
    read = []
    for process in made:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        read.append(json.loads(out.splitlines()[-1]))
    order = hg.data.permutation(300, 0, 0)
    whole, rest = order[:288].reshape(9, 2, 16), order[288:]  # each process has two devices of a mesh of four
    for index, rows in enumerate(read):
        wanted = np.concatenate([whole[:, index].reshape(-1), rest.reshape(2, 6)[index]])
        assert sorted(rows) == sorted(wanted.tolist())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--mesh", "data=3"], "mesh: data 3 x model 1 are 3 devices, and there are 4"),
        (
            ["--batch-size", "97"],
            "mini-batches of 97 examples are not divided by data 4: the batch size must",
        ),
        (["--sharding", "*.V=data"], "sharding: no parameter is called '*.V'; there are 1.W, 1.b, 3.W, 3.b"),
        (["--sharding", "*.b=data;3.*b=-"], "sharding: '*.b' and '3.*b' say different things of 3.b"),
        (["--sharding", "3.W=-,data"], "sharding: 3.W of shape (16, 10) is not divided by data 4"),
    ],
)
def test_every_process_says_what_is_wrong_before_the_first_step(tmp_path, options, sentence):
    made = launched(*TRAIN, *options, "--out", str(tmp_path / "run"))
    _, err = made.communicate(timeout=300)
    assert made.returncode == 2
    for index in range(2):
        assert any(
            line.startswith(f"[{index}] handgrad: ") and sentence in line for line in err.splitlines()
        ), err
    assert not (tmp_path / "run").exists()


def slurm(index, number):
    return {
        "SLURM_JOB_ID": str(number), "SLURM_STEP_NODELIST": "localhost", "SLURM_NTASKS": "2",
        "SLURM_PROCID": str(index), "SLURM_LOCALID": str(index), "SLURM_STEP_NUM_NODES": "1",
    }  # fmt: skip


def open_mpi(index, number):
    return {
        "OMPI_MCA_orte_hnp_uri": f"{number}.0;tcp://127.0.0.1:9", "OMPI_COMM_WORLD_SIZE": "2",
        "OMPI_COMM_WORLD_RANK": str(index), "OMPI_COMM_WORLD_LOCAL_RANK": str(index),
    }  # fmt: skip


@pytest.mark.parametrize("environment", [slurm, open_mpi])
def test_processes_find_each_other_by_what_the_environment_says(tmp_path, environment):
    number = os.getpid() * 4096 + int(np.random.default_rng().integers(4096))  # of which JAX makes the port
    command = [sys.executable, "-m", "handgrad", *TRAIN, "--epochs", "1", "--hosts", "auto"]
    made = [
        subprocess.Popen(
            [*command, "--out", str(tmp_path / "run")], env=os.environ | ON_CPU | environment(index, number),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for index in range(2)
    ]  # fmt: skip
    said = []
    for process in made:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        said.append(out)
    assert [text.count("epoch 1/1") for text in said] == [1, 0]
    assert json.loads((tmp_path / "run" / "checkpoint.json").read_text())["parts"] == 2


def test_the_environment_says_nothing():
    command = [sys.executable, "-m", "handgrad", *TRAIN, "--hosts", "auto"]
    made = subprocess.run(command, env=os.environ | ON_CPU, capture_output=True, text=True)
    assert made.returncode == 2
    assert "--hosts auto: no SLURM, Open MPI or Kubernetes here says which processes there are" in made.stderr


def test_when_one_process_is_killed_the_other_stops_and_nothing_is_lost(tmp_path):
    folder, in_float64 = tmp_path / "run", [*TRAIN, "--dtype", "float64"]
    made = launched(*in_float64, "--epochs", "5000", "--checkpoint-seconds", "0.2", "--out", str(folder))
    wait_for_steps(folder, made)
    (other,) = (p for p in children(made.pid) if "1" in arguments(p)[-1:])
    os.kill(other, signal.SIGKILL)
    _, err = made.communicate(timeout=300)
    assert made.returncode != 0
    assert "[0] handgrad: process 1 of the training is gone, so this one stops" in err
    step = step_in(folder)
    assert step > 0
    native = ["--epochs", str(step // 15 + 2), "--engine", "native"]
    found = alone(folder, "train", "--resume", str(folder), *native)
    wanted = alone(tmp_path / "whole", *in_float64, *native, "--out", str(tmp_path / "whole"))
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


@pytest.mark.slow
def test_a_process_killed_at_any_moment_costs_no_bit(tmp_path):
    options = [*TRAIN, "--epochs", "40", "--dropout", "0.1", "--batch-norm", "--dtype", "float64"]
    options += ["--sharding", "full", "--checkpoint-seconds", "0.05"]
    whole, folder, rng, died, kept = tmp_path / "whole", tmp_path / "killed", np.random.default_rng(0), 0, []
    ended(launched(*options, "--out", str(whole)))
    last = step_in(whole)
    while died < KILLS:
        is_begun = (folder / "checkpoint.json").exists()
        resumed = ["train", "--resume", str(folder), "--sharding", "full"]
        again = resumed if is_begun else [*options, "--out", str(folder)]
        made = launched(*again, *([] if is_begun else ["--overwrite"]))
        if died % 4 == 0:  # while it starts, or joins the other
            time.sleep(rng.uniform(0, 5))
        else:
            wait_for_steps(folder, made, rng.integers(step_in(folder), last))
            time.sleep(rng.uniform(0, 0.1))
        victims = children(made.pid) if made.poll() is None else []
        if len(victims) == 2 and step_in(folder) < last:
            os.kill(victims[rng.integers(2)], signal.SIGKILL)
            made.communicate(timeout=120)
            assert made.returncode != 0
            died += 1
            if 0 < step_in(folder) < last:
                kept.append(shutil.copytree(folder, tmp_path / f"kept{died}"))
            continue
        ended(made)
        check_equal(folder, whole)
        shutil.rmtree(folder)
    if folder.exists():
        ended(launched("train", "--resume", str(folder), "--sharding", "full"))
        check_equal(folder, whole)
    ended(launched("train", "--resume", str(kept[0]), "--mesh", "model=2", processes=1))
    ended(launched("train", "--resume", str(kept[1]), "--mesh", "data=2,model=2", "--sharding", "replicated"))
    for elsewhere in kept[:2]:
        for name in ("loss", "validation_loss"):
            np.testing.assert_allclose(figures(elsewhere, name), figures(whole, name), rtol=1e-5)


def ended(process):
    _, err = process.communicate(timeout=600)
    assert process.returncode == 0, err


def step_in(folder):
    try:
        return json.loads((folder / "checkpoint.json").read_text())["step"]
    except FileNotFoundError:
        return 0


def check_equal(folder, other):
    """Two runs came to the same, to the last bit."""
    for name in ("loss", "validation_loss"):
        assert figures(folder, name) == figures(other, name)
    from safetensors.numpy import load_file

    one, two = (load_file(f / "model.safetensors") for f in (folder, other))
    assert {k: v.tobytes() for k, v in one.items()} == {k: v.tobytes() for k, v in two.items()}


def test_an_interrupt_stops_all_at_the_same_step(tmp_path):
    folder = tmp_path / "run"
    made = launched(*TRAIN, "--epochs", "5000", "--checkpoint-seconds", "0.2", "--out", str(folder))
    wait_for_steps(folder, made)
    made.send_signal(signal.SIGTERM)
    _, err = made.communicate(timeout=300)
    assert made.returncode == 130, err
    said = [line.partition("] ")[2] for line in err.splitlines() if "stopped after step" in line]
    assert len(said) == 2
    assert said[0] == said[1]
    assert f"step {json.loads((folder / 'checkpoint.json').read_text())['step']};" in said[0]


def wait_for_steps(folder, process, step=1):
    """Until a checkpoint of that step is there, or the process has ended."""
    while step_in(folder) < step and process.poll() is None:
        time.sleep(0.02)
    assert process.poll() in (None, 0), process.communicate()[1]


def children(pid):
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def arguments(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode().strip("\0").split("\0")
