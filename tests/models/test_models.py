"""Each model: its outputs, its gradients natively and on NumPy, and that it learns."""

import re
from pathlib import Path

import numpy as np
import pytest

import handgrad as hg
from handgrad import models
from handgrad.layers import mlp
from handgrad.optim import Adam
from handgrad.train import Trainer

F8 = {"seed": 0, "dtype": np.float64}
MODELS = {
    "lenet": (lambda: models.lenet((1, 9, 8), 4, **F8), (3, 72), (3, 4)),
    "resnet": (lambda: models.ResNet((2, 6, 5), 3, **F8), (4, 2, 6, 5), (4, 3)),
    "resnet14": (lambda: models.named("resnet14")((1, 4, 4), 2, **F8), (3, 16), (3, 2)),
    "mixer": (lambda: models.Mixer((1, 8, 8), 3, D=8, blocks=2, **F8), (2, 64), (2, 3)),
    "unet": (lambda: models.UNet(2, 3, width=8, **F8), (1, 2, 8, 4), (1, 3, 8, 4)),
    "vae": (lambda: models.VAE(12, 7, 3, **F8), (5, 12), (5, 12)),
}


def loss_of(net, x):
    y = net(x)
    return models.vae_loss(y, x) if isinstance(y, tuple) else hg.mean(y * y)


@pytest.mark.parametrize("name", MODELS)
def test_each_natively_and_on_numpy(name):
    """Nothing is left to NumPy in native code: it would be warned of."""
    make, given, made = MODELS[name]
    net, x = make().train(), np.random.default_rng(1).random(given)
    out = net.bind()(x)
    assert (out[0] if isinstance(out, tuple) else out).shape == made

    def step(params, states, x):
        bound = net.bind(params, states)
        return loss_of(bound, x), bound.states()

    def whole(params, states, x):
        return hg.value_and_grad(lambda p: step(p, states, x)[0])(params), step(params, states, x)[1]

    (value, grads), states = whole(net.parameters(), net.states(), x)
    (native, native_grads), native_states = hg.compile(whole)(net.parameters(), net.states(), x)
    np.testing.assert_allclose(native, value, rtol=1e-6 if name == "vae" else 1e-12)  # draws are float32
    most = max(np.abs(grad).max() for grad in grads.values())
    for key, grad in grads.items():
        np.testing.assert_allclose(native_grads[key], grad, rtol=1e-6, atol=1e-7 * most)
    for key, state in states.items():
        np.testing.assert_allclose(native_states[key], state, rtol=1e-9)


def test_each_is_in_a_file_of_its_own_that_is_soon_read():
    files = [f for f in Path(models.__file__).parent.glob("*.py") if f.name != "__init__.py"]
    assert len(files) >= 5
    for file in files:
        text = re.sub(
            r'\n\n +Examples:\n.*?(?=\n +""")', "", file.read_text(encoding="utf-8"), flags=re.DOTALL
        )
        lines = text.splitlines()
        assert len(lines) < 60, file.name
        assert sum("# (N" in line for line in lines) >= 3, f"{file.name} says the shapes"


def test_shapes_of_images():
    assert models.image_of((784,)) == (1, 28, 28)
    assert models.image_of((8, 9)) == (1, 8, 9)
    assert models.image_of((3, 32, 32)) == (3, 32, 32)
    for shape in [(10,), (32, 32, 3), (), (2, 3, 4, 5)]:
        with pytest.raises(ValueError, match="are no images"):
            models.image_of(shape)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: models.lenet((1, 3, 8)), "at least 4 x 4, not 3 x 8"),
        (lambda: models.ResNet(depth=10), "6n \\+ 2 layers"),
        (lambda: models.Mixer((1, 9, 8)), "do not divide into patches of 4 x 4"),
        (lambda: models.named("lenet5"), "model is mlp, lenet"),
    ],
)
def test_what_does_not_fit_is_said(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_a_vae_learns_and_draws():
    """By the trainer, natively: the loss falls; z is drawn while training only; decode makes of any z."""
    rng = np.random.default_rng(0)
    x = (rng.random((200, 3)) @ rng.random((3, 16)) > 0.8).astype(np.float32)
    net = models.VAE(16, 24, 2, seed=0)
    trainer = Trainer(net, models.vae_loss, Adam(1e-2), seed=0, engine="native")
    records = trainer.fit(x, x, epochs=20, batch_size=50)
    assert records[-1]["loss"] < 0.85 * records[0]["loss"]
    net.evaluate()
    np.testing.assert_array_equal(net(x)[0], net(x)[0])
    np.testing.assert_array_equal(net(x)[0], net.decode(net(x)[1]))
    net.train()
    assert not np.array_equal(net(x)[0], net(x)[0])


def test_noise_is_normal():
    net = models.VAE(seed=0)
    noise = net.noise(np.zeros((1000, 50), np.float32))
    assert abs(noise.mean()) < 0.02
    assert abs(noise.std() - 1) < 0.02
    assert abs((np.abs(noise) < 1).mean() - 0.6827) < 0.01
    assert np.isfinite(noise).all()


def test_mlp_is_there_too():
    assert models.mlp is mlp
