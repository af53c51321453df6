"""What the pages under test show, each recorded once in a process."""

from __future__ import annotations

import functools

import numpy as np

import handgrad as hg
from handgrad.data import load
from handgrad.layers import Affine, BatchNorm, Dropout, Layer, mlp
from handgrad.optim import SGD, Adam
from handgrad.rules import rule
from handgrad.train import Trainer
from handgrad.view import show, show_training

MNIST = [7, 1500, 3000]  # rows of mnist-5k
VOCABULARY, LENGTH = 65, 16
EVIL = "<script>alert(1)</script>"
ENDING = "</script>"
IMAGE = '"><img src=x onerror=alert(2)>'
WORDS = "層 字 🙂"
HOSTILE = [EVIL, ENDING, IMAGE, WORDS]


def apples(x1, x2, x3):
    return x1 * x2 + x3


class Block(Layer):
    """Normalised, mapped, mapped again by a layer that all blocks share, dropped out, and added."""

    def __init__(self, D, shared, rate, seed):
        self.norm = BatchNorm(D)
        self.inner = Affine(D, D, seed=seed)
        self.drop = Dropout(rate, seed=seed)
        self.shared = shared

    def forward(self, x):
        return x + self.drop(self.shared(hg.relu(self.inner(self.norm(x)))))


class Residual(Layer):
    """Digits to classes, through blocks."""

    def __init__(self, blocks=3, D=24, rate=0.2):
        shared = Affine(D, D, seed=9)
        self.first = Affine(64, D, seed=1)
        self.blocks = [Block(D, shared, rate, seed) for seed in range(blocks)]
        self.head = Affine(D, 10, seed=2)

    def forward(self, x):
        x = hg.relu(self.first(x))
        for block in self.blocks:
            x = block(x)
        return self.head(x)


class Norm(Layer):
    def __init__(self, D):
        self.params = {"gamma": np.ones(D, "f"), "beta": np.zeros(D, "f")}

    def forward(self, x):
        centred = x - hg.mean(x, axis=-1, keepdims=True)
        scale = hg.sqrt(hg.var(x, axis=-1, keepdims=True) + 1e-5)
        return centred / scale * self.params["gamma"] + self.params["beta"]


class Attention(Layer):
    def __init__(self, D, heads, seed):
        self.qkv, self.out = Affine(D, 3 * D, seed=seed), Affine(D, D, seed=seed + 1)
        self.heads = heads

    def forward(self, x):
        N, T, D = x.shape
        shape = (N, T, self.heads, D // self.heads)
        q, k, v = (
            hg.transpose(hg.reshape(a, shape), (0, 2, 1, 3)) for a in hg.split(self.qkv(x), 3, axis=-1)
        )
        scores = hg.matmul(q, hg.transpose(k, (0, 1, 3, 2))) / np.sqrt(D // self.heads)
        seen = hg.softmax(scores + np.triu(np.full((T, T), -1e9, "f"), 1))
        return self.out(hg.reshape(hg.transpose(seen @ v, (0, 2, 1, 3)), (N, T, D)))


class Transformer(Layer):
    def __init__(self, D, heads, seed):
        self.norm1, self.attention = Norm(D), Attention(D, heads, seed)
        self.norm2, self.up, self.down = (
            Norm(D),
            Affine(D, 4 * D, seed=seed + 2),
            Affine(4 * D, D, seed=seed + 3),
        )

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.down(hg.gelu(self.up(self.norm2(x))))


class Embedding(Layer):
    def __init__(self, V, T, D):
        rng = np.random.default_rng(0)
        self.params = {
            name: rng.normal(0, 0.1, (n, D)).astype("f") for name, n in (("token", V), ("place", T))
        }

    def forward(self, x):
        return hg.take(self.params["token"], x, axis=0) + self.params["place"]


class GPT(Layer):
    def __init__(self, layers=12, D=32, heads=4):
        self.embedding = Embedding(VOCABULARY, LENGTH, D)
        self.blocks = [Transformer(D, heads, 10 * i) for i in range(layers)]
        self.head = Affine(D, VOCABULARY, seed=5)

    def forward(self, x):
        x = self.embedding(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


class Images(Layer):
    """Images (N, C, H, W): a filter of 2 x 2 at every second place, written with slices."""

    def __init__(self):
        self.params = {"kernel": np.random.default_rng(1).normal(0, 0.5, (2, 2, 3, 4)).astype("f")}
        self.head = Affine(4 * 36, 5, seed=0)

    def forward(self, x):
        kernel = self.params["kernel"]
        corners = [(i, j) for i in range(2) for j in range(2)]
        x = hg.transpose(x, (0, 2, 3, 1))
        a, b, c, d = (x[:, i::2, j::2] @ kernel[i, j] for i, j in corners)
        seen = hg.relu(hg.transpose(a + b + c + d, (0, 3, 1, 2)))
        return self.head(hg.reshape(seen, (len(seen.value), -1)))


class Named(Layer):
    """Layers and arrays whose names are whatever users may write, in a title, in markup, in a script."""

    def __init__(self):
        self.params = {name: np.full(3, i + 1.5, "f") for i, name in enumerate(HOSTILE)}
        for seed, name in enumerate(HOSTILE):
            setattr(self, name, Affine(3, 3, seed=seed))

    def forward(self, x):
        for name in HOSTILE:
            x = getattr(self, name)(x) * self.params[name]
        return x


@rule
def halved(x):
    """Half of x, out = x / 2."""

    def backward(dout):
        return dout / 2

    return x / 2, backward


@rule
def halved_wrongly(x):
    """Half of x, out = x / 2."""

    def backward(dout):
        return dout * 2

    return x / 2, backward


halved_wrongly.name = "halved"


def of_apples():
    return show(apples, 100, 2, 300, title="x1·x2 + x3")


def mnist(rows):
    data = load("mnist-5k")
    x, t = (data.x[rows] / 255).astype("f").reshape(len(rows), -1), data.t[rows]
    names = [str(row) for row in rows]
    return show(
        mlp([784, 50, 10], seed=0),
        x,
        loss=hg.softmax_cross_entropy,
        t=t,
        examples=names,
        check=0,
        title="MNIST",
    )


def of_digit():
    return mnist(MNIST[:1])


def of_live():
    data = load("mnist-5k")
    x, t = (data.x[MNIST[:1]] / 255).astype("f"), data.t[MNIST[:1]]
    return show(mlp([784, 50, 10], seed=0), x, loss=hg.softmax_cross_entropy, t=t, check=0, live=True)


def of_live_training():
    data = load("mnist-5k")
    x = (data.x / 255).astype("f").reshape(len(data.x), -1)
    trainer = Trainer(mlp([784, 50, 10], seed=0), hg.softmax_cross_entropy, SGD(0.1), seed=0)
    return show_training(trainer, x, data.t)


def of_batch():
    return mnist(MNIST)


def digits(count):
    data = load("digits")
    return (data.x[:count] / 16).astype("f").reshape(count, -1), data.t[:count]


def residual(net):
    x, t = digits(6)
    return show(net.train(), x, loss=hg.softmax_cross_entropy, t=t, check=0)


def of_residual():
    return residual(Residual())


def of_residual_whole():
    """Without dropout, so that others can compute the same."""
    return residual(Residual(rate=0.0))


def of_chain():
    def chain(x):
        for i in range(10_000):
            x = x * 1.0001 if i % 2 else hg.sin(x)
        return x

    return show(chain, 0.5, check=0)


def next_word(out, t):
    return hg.softmax_cross_entropy(hg.reshape(out, (-1, VOCABULARY)), t.reshape(-1))


def of_gpt():
    rng = np.random.default_rng(0)
    x, t = rng.integers(0, VOCABULARY, (2, 2, LENGTH))
    return show(GPT(), x, loss=next_word, t=t, check=0)


def of_images():
    x = np.random.default_rng(0).normal(0, 1, (2, 3, 12, 12)).astype("f")
    return show(Images(), x, loss=hg.softmax_cross_entropy, t=np.array([1, 4]), check=0)


def of_training():
    """A network before its training, beside itself after it."""
    x, t = digits(200)
    net = mlp([64, 20, 10], seed=0)
    before = show(net, x[:4], loss=hg.softmax_cross_entropy, t=t[:4], check=0, title="before")
    Trainer(net, hg.softmax_cross_entropy, Adam(1e-2), seed=0, engine="numpy").fit(
        x, t, epochs=2, batch_size=50
    )
    after = show(net, x[:4], loss=hg.softmax_cross_entropy, t=t[:4], check=0, title="after")
    return before.beside(after, title="before and after")


def of_rules():
    """A rule beside one of the same name with a wrong backward."""
    x = np.array([0.5, -2.0])
    right = show(lambda x: hg.sum(hg.sin(halved(x))), x, title="right")
    wrong = show(lambda x: hg.sum(hg.sin(halved_wrongly(x))), x, title="wrong")
    return right.beside(wrong, title="right and wrong")


def of_names():
    x = np.random.default_rng(0).normal(0, 1, (2, 3)).astype("f")
    return show(Named(), x, title=f"{EVIL} {ENDING} {IMAGE} {WORDS}", examples=HOSTILE[:2], check=0)


def oddities(weird, whole, one, none, big):
    """Not finite, integers, one element, none, and a million."""
    small = hg.sum(hg.exp(weird)) + hg.sum(whole * 2.0) + hg.sum(one) + hg.sum(none * 3.0)
    return small + hg.mean(hg.tanh(big))


def of_oddities():
    weird = np.array([[1.0, np.nan, np.inf], [-np.inf, -0.0, 1e-310]])
    whole = np.array([[1, 2], [3, 2**31 + 5]])
    big = np.random.default_rng(0).normal(0, 1, (1000, 1000)).astype("f")
    with np.errstate(all="ignore"):
        return show(oddities, weird, whole, np.ones((1, 1, 1), "f"), np.zeros((0, 3)), big, check=0)


def of_mismatch():
    """Two that share almost nothing."""
    first = show(apples, 100, 2, 300, check=0)
    second = show(
        mlp([4, 3, 2], seed=0), np.ones((2, 4)), loss=hg.softmax_cross_entropy, t=np.array([0, 1]), check=0
    )
    return first.beside(second, title="nothing alike")


def of_partial():
    """Two that are the same in part: the second has one rule more, and another factor."""
    x = np.array([0.5, -1.0])
    first = show(lambda x: hg.tanh(x * 2) * 3, x, check=0, title="without exp")
    second = show(lambda x: hg.tanh(hg.exp(x * 2.5)) * 3, x, check=0, title="with exp")
    return first.beside(second, title="with and without exp")


def neurons(x1, x2, *ws):
    """A net of numbers, 2-3-1, as micrograd has them."""
    hidden = [hg.tanh(x1 * ws[3 * j] + x2 * ws[3 * j + 1] + ws[3 * j + 2]) for j in range(3)]
    out = ws[9]
    for j in range(3):
        out = out + hidden[j] * ws[10 + j]
    return (hg.tanh(out) - 1.0) ** 2


def of_neurons():
    weights = np.random.default_rng(0).normal(size=13).round(2).tolist()
    return show(neurons, 0.5, -1.0, *weights, check=0)


def normed(x, gamma, beta):
    centred = x - hg.mean(x, axis=-1, keepdims=True)
    return centred / hg.sqrt(hg.mean(hg.square(centred), axis=-1, keepdims=True) + 1e-5) * gamma + beta


def attended(x, Wq, Wk, Wv, Wo):
    scores = hg.matmul(hg.matmul(x, Wq), hg.transpose(hg.matmul(x, Wk))) / np.sqrt(8)
    return hg.matmul(hg.matmul(hg.softmax(scores), hg.matmul(x, Wv)), Wo)


def transformer(x, Wq, Wk, Wv, Wo, g1, b1, g2, b2, W1, c1, W2, c2):
    h = x + attended(normed(x, g1, b1), Wq, Wk, Wv, Wo)
    return h + hg.affine(hg.gelu(hg.affine(normed(h, g2, b2), W1, c1)), W2, c2)


def of_transformer():
    """A block of functions alone, without layers."""
    rng = np.random.default_rng(1)
    shapes = [(6, 8), *[(8, 8)] * 4, *[(8,)] * 4, (8, 32), (32,), (32, 8), (8,)]
    return show(transformer, *(rng.normal(0, 0.4, shape) for shape in shapes), check=0)


def recurrent(xs, h, Wx, Wh, b, Wy, by):
    for t in range(20):
        h = hg.tanh(hg.matmul(xs[t], Wx) + hg.matmul(h, Wh) + b)
    return hg.sum(hg.square(hg.affine(h, Wy, by)))


def of_recurrent():
    rng = np.random.default_rng(0)
    shapes = [(20, 2, 3), (2, 4), (3, 4), (4, 4), (4,), (4, 1), (1,)]
    return show(recurrent, *(rng.normal(0, 0.5, shape) for shape in shapes), check=0)


def wide(*xs):
    ys = [hg.sin(x * w) for x in xs for w in (1.0, 2.0)]
    total = ys[0]
    for y in ys[1:]:
        total = total + y
    return total


def of_wide():
    """2,000 rules of 333 inputs."""
    return show(wide, *np.linspace(0, 1, 333), check=0)


NETWORKS = {
    "apples": of_apples,
    "neurons": of_neurons,
    "transformer": of_transformer,
    "recurrent": of_recurrent,
    "wide": of_wide,
    "digit": of_digit,
    "batch": of_batch,
    "residual": of_residual,
    "residual-whole": of_residual_whole,
    "chain": of_chain,
    "gpt": of_gpt,
    "images": of_images,
    "training": of_training,
    "rules": of_rules,
    "names": of_names,
    "oddities": of_oddities,
    "mismatch": of_mismatch,
    "partial": of_partial,
}
MEASURED = ["neurons", "transformer", "recurrent", "wide"]  # alone where their measures are taken
PAGES = [name for name in NETWORKS if name not in ("residual-whole", *MEASURED)]
PAIRS = ["training", "rules", "mismatch", "partial"]


@functools.cache
def picture(name):
    """The recorded Picture, or Pair of them."""
    return NETWORKS[name]()


def graphs(name):
    """The graphs on a page, the first one first."""
    shown = picture(name)
    return [shown.first.graph, shown.second.graph] if name in PAIRS else [shown.graph]
