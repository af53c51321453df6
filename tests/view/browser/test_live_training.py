"""A page that trains makes the trainer's own steps, and shows what they come to."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest

import handgrad as hg
from handgrad.data import load, permutation
from handgrad.layers import Affine, BatchNorm, ReLU, Sequential, mlp
from handgrad.optim import SGD, Adam
from handgrad.rules import softmax_cross_entropy
from handgrad.train import Trainer
from handgrad.train.engines import NativeSteps
from handgrad.view.live.mistakes import MISTAKES, Planted, planting
from handgrad.view.recording import record
from handgrad.view.scripts import joined, module

from .firefox import executable, firefox
from .test_layout import assert_apart
from .test_true import Reader
from .window import Window

STEPS = 300
LOSSES = """() => training.trainer.runs.map(({ points, waiting }) =>
  [...points, ...waiting].map(({ loss }) => loss))"""
NETWORK = """() => Object.fromEntries(training.trainer.runs[0].carried.filter(({ kind }) => kind < 2)
  .map(({ name, numbers }) => [name, [...numbers]]))"""
READY = """return new Promise((done) => {
  const look = () => document.documentElement.dataset.ready === "yes" ? done(1) : setTimeout(look, 20);
  look();
})"""
DISTURBED = """(scale) => {
  const { live, app } = training.trainer;
  for (const input of live.inputs.filter(({ kind }) => kind.startsWith("f")))
    live.numbersOf(input).forEach((v, i, all) => (all[i] = scale * Math.sin(i + 1) * (1 + v)));
  live.run();
  app.renew(false);
  return document.querySelector("svg.picture").textContent;
}"""
PLACES = """() => [...document.querySelectorAll(".node .body")]
  .map((body) => [body.getAttribute("x"), body.getAttribute("y")])"""
MANY = "(count) => training.trainer.one(count)"


def spiral(n=60):
    rng = np.random.default_rng(0)
    r = np.linspace(0.05, 1, n)
    angles = [4 * r + 2.1 * k + rng.normal(0, 0.15, n) for k in range(3)]
    x = np.concatenate([np.stack([r * np.sin(a), r * np.cos(a)], axis=1) for a in angles])
    return x.astype("f"), np.repeat(np.arange(3), n)


def digits():
    data = load("mnist-5k")
    return (data.x / 255).astype("f").reshape(len(data.x), -1), data.t


def trainer_of_digits():
    return Trainer(mlp([784, 50, 10], seed=0), hg.softmax_cross_entropy, SGD(0.1), seed=3)


def trainer_of_spiral():
    net = Sequential(Affine(2, 16, seed=0), ReLU(), BatchNorm(16), Affine(16, 3, seed=1))
    return Trainer(net, hg.softmax_cross_entropy, Adam(lambda step: 0.02 / (1 + step)), seed=1, clip_norm=1.0)


def native_losses(trainer, x, t, batch_size, steps):
    """The loss of each mini-batch as the native engine has it."""
    made, progress = NativeSteps(trainer, trainer.progress, x, t, batch_size), trainer.progress
    batches, losses, before = len(x) // batch_size, [], 0.0
    for step in range(steps):
        epoch, at = divmod(step, batches)
        order = permutation(len(x), trainer.seed, epoch)
        progress = made.run(progress, order[at * batch_size : (at + 1) * batch_size], batch_size)[1]
        total = progress.totals["loss"]
        losses.append((total - before) / batch_size)
        before = total
    return losses, progress


@pytest.fixture
def page(browser, tmp_path):
    """Opens pages that train. However the test went, none may have complained or asked for anything."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    windows = []

    def opened(trainer, x, t, **options):
        path = tmp_path / f"page{len(windows)}.html"
        hg.show_training(trainer, x, t, out=path, **options)
        windows.append(Window(context.new_page(), path))
        return windows[-1]

    yield opened
    context.close()
    for window in windows:
        assert window.complaints == []
        assert window.requests == [window.url]


@pytest.mark.skipif(not shutil.which("node"), reason="there is no node")
def test_the_order_of_examples_is_numpys(tmp_path):
    script = "\n".join(joined(name, module(name)) for name in ("livedata",))
    asked = [(10, 0, 0), (1000, 7, 3), (1, 2, 2), (37, 2**32 + 5, 1), (5000, 123456789, 40)]
    script += f"\nconst found = {json.dumps(asked)}.map((a) => [...of_livedata.permutation(...a)]);"
    script += "\nconsole.log(JSON.stringify(found));"
    (tmp_path / "order.js").write_text(script)
    found = json.loads(subprocess.check_output(["node", str(tmp_path / "order.js")]))
    assert found == [permutation(*each).tolist() for each in asked]


def test_digits_learn_to_the_native_losses(page):
    x, t = digits()
    window = page(trainer_of_digits(), x, t)
    window.page.evaluate(MANY, STEPS)
    losses, _ = native_losses(trainer_of_digits(), x, t, 100, STEPS)
    found = window.page.evaluate(LOSSES)[0]
    assert len(found) == STEPS
    assert losses[-1] < 0.6 * losses[0]
    np.testing.assert_allclose(found, losses, rtol=0, atol=1e-5)


def test_the_graph_and_the_pictures_follow(page):
    """Of a network with states, with Adam, a schedule and a bound on the gradient."""
    x, t = spiral()
    window = page(trainer_of_spiral(), x, t, batch_size=30, examples=3)
    window.page.evaluate(MANY, 100)
    trainer = trainer_of_spiral()
    losses, progress = native_losses(trainer, x, t, 30, 100)
    np.testing.assert_allclose(window.page.evaluate(LOSSES)[0], losses, rtol=0, atol=1e-5)
    own = window.page.evaluate(NETWORK)
    params = {name: np.array(own[name], p.dtype).reshape(p.shape) for name, p in progress.params.items()}
    states = {name: np.array(own[name], s.dtype).reshape(s.shape) for name, s in progress.states.items()}
    for name, p in (progress.params | progress.states).items():
        np.testing.assert_allclose((params | states)[name], p, rtol=0, atol=1e-3)
    net = trainer.net.bind(params, states).evaluate()
    graph = record(net, x[:3], loss=trainer.loss, t=t[:3], examples=["0", "1", "2"])
    window.press("o")
    Reader(window, graph).edges()
    right = np.mean(np.argmax(net(x), axis=1) == t)
    caption = window.page.locator(".confusion figcaption").text_content()
    assert float(re.search(r"([\d.]+) % right", caption)[1]) == pytest.approx(100 * right, abs=0.06)


def test_a_mistake_spoils_the_training_and_the_checker_says_why(page):
    x, t = spiral()
    window = page(trainer_of_spiral(), x, t, batch_size=30)
    select = window.page.get_by_label("mistake, first run")
    offered = select.locator("option").all_text_contents()
    assert {"batch_norm: drop the mean's term", "softmax_cross_entropy: forget 1/N"} < set(offered)
    select.select_option(label="softmax_cross_entropy: turn the sign round")
    why = window.page.locator(".why").text_content()
    assert why.startswith("the checker: softmax_cross_entropy is wrong: dx is the negative of what it should")
    window.page.evaluate(MANY, 60)
    trainer = trainer_of_spiral()
    planted = Planted(softmax_cross_entropy, next(m for m in MISTAKES if m.words == "turn the sign round"))
    losses = []
    with planting([planted], np.ones(1)):
        progress = trainer.progress
        for step in range(60):
            epoch, at = divmod(step, 6)
            some = permutation(180, trainer.seed, epoch)[30 * at : 30 * (at + 1)]
            progress, loss, _ = trainer.step(progress, x[some], t[some])
            losses.append(loss)
    np.testing.assert_allclose(window.page.evaluate(LOSSES)[0], losses, rtol=2e-3)
    assert losses[-1] > 1.5 * losses[0]
    select.select_option(label="no mistake in a backward")
    window.page.evaluate(MANY, 300)
    assert window.page.evaluate(LOSSES)[0][-1] < 0.8 * losses[-1]


def test_back_to_the_start_another_seed_and_a_second_run(page):
    x, t = spiral()
    window = page(trainer_of_spiral(), x, t, batch_size=30)
    window.page.evaluate(MANY, 20)
    first = window.page.evaluate(LOSSES)[0]
    window.page.locator("#again").click()
    assert window.page.evaluate(LOSSES) == [[]]
    window.page.get_by_text("a second run beside").click()
    window.page.wait_for_selector("#said1", state="attached")
    window.page.evaluate(MANY, 20)
    again, other = window.page.evaluate(LOSSES)
    assert again == first
    assert not np.allclose(other, first)
    seed = window.page.get_by_label("seed, second run")
    seed.fill("1")
    seed.press("Enter")
    window.page.locator("#again").click()
    window.page.evaluate(MANY, 20)
    assert window.page.evaluate(LOSSES) == [first, first]
    rate = window.page.get_by_label("learning rate, second run")
    rate.fill("0")
    rate.press("Enter")
    window.page.locator("#again").click()
    window.page.evaluate(MANY, 12)
    slow = window.page.evaluate(LOSSES)[1]
    assert slow[0] == first[0]
    assert np.mean(slow[6:]) > np.mean(first[6:])


def test_it_plays_and_pauses(page):
    x, t = spiral()
    window = page(trainer_of_spiral(), x, t, batch_size=30)
    window.page.locator("#train").click()
    window.page.wait_for_function("() => training.trainer.runs[0].step > 50")
    window.page.locator("#train").click()
    step = window.page.evaluate("() => training.trainer.runs[0].step")
    assert window.page.locator("#trained").text_content().startswith(f"step {step:,}, ")
    assert window.page.evaluate("() => new Promise((done) => setTimeout(done, 100))") is None
    assert window.page.evaluate("() => training.trainer.runs[0].step") == step
    assert len(window.page.evaluate(LOSSES)[0]) > 50


@pytest.mark.parametrize("scale", [1e-7, -43.21987, 1e5])
def test_while_it_plays_nothing_outgrows_its_room(page, scale):
    """Numbers of any size, told without a new layout."""
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "f")
    window = page(Trainer(mlp([2, 3, 2], seed=0), hg.mean_squared_error, SGD(0.1)), x, x, batch_size=4)
    window.press("o")
    was = window.page.evaluate(PLACES)
    said = window.page.evaluate(DISTURBED, scale)
    assert window.page.evaluate(PLACES) == was
    assert_apart(window)
    window.page.evaluate("() => training.trainer.draw(true)")
    assert window.page.locator("svg.picture").text_content() != said
    assert_apart(window)


def test_what_does_not_go_in_is_left_out_and_said(page):
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (4_000, 500)).astype("f")
    t = rng.normal(0, 1, (4_000, 1)).astype("f")
    trainer = Trainer(Affine(500, 1, seed=0), hg.mean_squared_error, SGD(0.001))
    window = page(trainer, x, t, batch_size=100)
    told = window.page.locator("#runs").inner_text()
    assert "trained on 1,900 of 4,000 examples" in told
    window.page.evaluate(MANY, 25)
    assert window.page.evaluate(LOSSES)[0][-1] > 0


def test_what_does_not_fit_is_said():
    x, t = spiral()
    with pytest.raises(ValueError, match="180 inputs and 179 targets"):
        hg.show_training(trainer_of_spiral(), x, t[:-1])
    with pytest.raises(ValueError, match="batch_size is 200: a whole number from 1 to the 180 examples"):
        hg.show_training(trainer_of_spiral(), x, t, batch_size=200)


@pytest.mark.slow
@pytest.mark.skipif(executable() is None, reason="there is no Firefox")
def test_digits_learn_in_firefox_too(tmp_path):
    x, t = digits()
    path = tmp_path / "page.html"
    hg.show_training(trainer_of_digits(), x, t, out=path)
    (tmp_path / "profile").mkdir()
    with firefox(tmp_path / "profile") as window:
        window.open(path.as_uri())
        window.evaluate(READY)
        window.evaluate(f"document.getElementById('training').trainer.one({STEPS})")
        found = window.evaluate(f"return ({LOSSES})()")[0]
    losses, _ = native_losses(trainer_of_digits(), x, t, 100, STEPS)
    np.testing.assert_allclose(found, losses, rtol=0, atol=1e-5)
