"""The gallery: pages that compute and train, with an index.

``python docs/gallery/build.py [FOLDER [NAME ...]]`` writes all pages, or some, to build/gallery if no folder
is given. Each is one file that works offline.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from html import escape
from pathlib import Path

import numpy as np

import handgrad as hg
from handgrad.data import load
from handgrad.layers import Affine, Conv2d, Flatten, MaxPool2d, ReLU, Sequential, Unflatten, mlp
from handgrad.models.char_lstm import char_lstm
from handgrad.models.gpt import GPT
from handgrad.optim import SGD, Adam
from handgrad.train import Trainer
from handgrad.view import Picture, show, show_training

VERSE = """Twinkle, twinkle, little star,
How I wonder what you are!
Up above the world so high,
Like a diamond in the sky.
When the blazing sun is gone,
When he nothing shines upon,
Then you show your little light,
Twinkle, twinkle, all the night.
"""  # Jane Taylor 1806
LENGTH = 16  # symbols of a sequence


def apples() -> Picture:
    def price(apples: float, each: float, oranges: float, orange: float, tax: float) -> float:
        return (apples * each + oranges * orange) * tax

    return show(price, 2.0, 100.0, 3.0, 150.0, 1.1, live=True, title="Apples and oranges")


def neuron() -> Picture:
    def squashed(x1: float, w1: float, x2: float, w2: float, b: float) -> float:
        return hg.tanh(x1 * w1 + x2 * w2 + b)

    return show(squashed, 2.0, -3.0, 0.5, 1.0, 6.7, live=True, title="One neuron")


def spiral() -> Picture:
    rng, n = np.random.default_rng(0), 100
    r = np.linspace(0.05, 1, n)
    angles = [4 * r + 2.1 * k + rng.normal(0, 0.15, n) for k in range(3)]
    x = np.concatenate([np.stack([r * np.sin(a), r * np.cos(a)], axis=1) for a in angles]).astype("f")
    net = mlp([2, 16, 16, 3], activation="tanh", seed=0)
    trainer = Trainer(net, hg.softmax_cross_entropy, Adam(0.01), seed=0)
    return show_training(trainer, x, np.repeat(np.arange(3), n), batch_size=50, title="A spiral")


def xor(activation: str) -> Callable[[], Picture]:
    def page() -> Picture:
        x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "f")
        net = mlp([2, 8, 2], activation=activation, seed=2)
        trainer = Trainer(net, hg.softmax_cross_entropy, SGD(0.5), seed=0)
        t = np.array([0, 1, 1, 0])
        title = f"XOR, by {'rectifiers' if activation == 'relu' else 'sigmoids'}"
        return show_training(trainer, x, t, batch_size=4, classes=["equal", "different"], title=title)

    return page


def digits() -> Picture:
    data = load("mnist-5k")
    x = (data.x / 255).astype("f").reshape(len(data.x), -1)
    trainer = Trainer(mlp([784, 50, 10], seed=0), hg.softmax_cross_entropy, SGD(0.1), seed=0)
    return show_training(trainer, x, data.t, title="Digits")


def regression() -> Picture:
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(-3, 3, (200, 1)), axis=0).astype("f")
    t = (np.sin(2 * x) * np.exp(-(x**2) / 6) + rng.normal(0, 0.08, x.shape)).astype("f")
    net = mlp([1, 32, 32, 1], activation="tanh", seed=0)
    trainer = Trainer(net, hg.mean_squared_error, Adam(0.005), seed=0)
    return show_training(trainer, x, t, batch_size=50, title="A curve through points")


def convolution() -> Picture:
    data = load("digits")
    x = (data.x / 16).astype("f").reshape(len(data.x), -1)
    net = Sequential(
        Unflatten(1, 8, 8), Conv2d(1, 8, 5, padding=2, seed=0), ReLU(), MaxPool2d(2), Flatten(),
        Affine(128, 10, seed=1),
    )  # fmt: skip
    trainer = Trainer(net, hg.softmax_cross_entropy, Adam(0.003), seed=0)
    return show_training(trainer, x, data.t, batch_size=50, title="A convolution")


def verse() -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Sequences of symbols, and of each the symbol after it."""
    symbols = sorted(set(VERSE))
    text = np.array([symbols.index(c) for c in VERSE])
    starts = np.arange(len(text) - LENGTH)[:, None] + np.arange(LENGTH)
    return text[starts], text[starts + 1], symbols


def next_symbol(y: np.ndarray, t: np.ndarray) -> np.ndarray:
    V = y.shape[-1]
    return hg.softmax_cross_entropy(hg.reshape(y, (-1, V)), hg.reshape(t, (-1,)))


def lstm() -> Picture:
    x, t, symbols = verse()
    trainer = Trainer(char_lstm(len(symbols), LENGTH, D=16, H=32, seed=0), next_symbol, Adam(0.01), seed=0)
    return show_training(trainer, x, t, batch_size=32, classes=symbols, title="An LSTM that learns a verse")


def microgpt() -> Picture:
    x, t, symbols = verse()
    net = GPT(len(symbols), LENGTH, D=32, heads=4, blocks=1, seed=0)
    trainer = Trainer(net, next_symbol, Adam(0.005), seed=0)
    return show_training(
        trainer, x, t, batch_size=32, classes=symbols, title="A small GPT that learns a verse"
    )


PAGES: dict[str, tuple[Callable[[], Picture], str]] = {
    "apples": (apples, "The first computation of the book: every number can be typed or dragged."),
    "neuron": (neuron, "tanh(x1·w1 + x2·w2 + b): nudge a weight, and compare with what the gradient says."),
    "spiral": (spiral, "Three arms, two numbers in: the surface of decisions bends as the network learns."),
    "xor-sigmoid": (xor("sigmoid"), "Four points that no straight line divides, by eight sigmoids."),
    "xor-relu": (xor("relu"), "The same four points, by eight rectifiers."),
    "digits": (digits, "784-50-10 on 5,000 digits: what each unit looks for, and what is taken for what."),
    "regression": (regression, "A curve bends through 200 points."),
    "convolution": (convolution, "Eight filters of 5 x 5 on small digits."),
    "lstm": (lstm, "A recurrent network on a verse, symbol by symbol."),
    "microgpt": (microgpt, "Attention and a perceptron on the same verse."),
}
BESIDE = {"xor": ("XOR, by sigmoids and by rectifiers", ("xor-sigmoid", "xor-relu"))}
STYLE = """:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(280px, 1fr)); gap: 1.2rem }
.cards { padding: 0; list-style: none }
.cards a { font-weight: 600; display: block }
.cards img { width: 100%; height: 170px; object-fit: cover; object-position: left top }
.cards img { display: block; margin-bottom: .5rem; border: 1px solid #8886; border-radius: 8px }
.two { max-width: none; margin: 0 } .two iframe { width: 49.5%; height: 98vh; border: 1px solid #8886 }
@media (max-width: 800px) { .two iframe { width: 100% } }"""


def document(title: str, body: str, kind: str = "") -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f'<body class="{kind}">{body}</body></html>\n'
    )


def card(name: str, title: str, words: str, picture: str) -> str:
    """A page in the index, with the still picture of one."""
    link = f'<a href="{name}.html"><img src="{picture}.svg" alt="">{escape(title)}</a>'
    return f"<li>{link}{escape(words)}</li>"


def write(folder: Path, names: list[str]) -> list[Path]:
    """The pages of those names, and the index of all."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    titles = {}
    for name in names:
        picture = PAGES[name][0]()
        titles[name] = picture.graph.title
        written.append(picture.save(folder / f"{name}.html"))
        picture.svg(folder / f"{name}.svg", depth=0)
        print(f"{written[-1].stat().st_size:>10,} bytes in {written[-1]}", flush=True)
    for name, (title, parts) in BESIDE.items():
        if set(parts) <= set(names):
            frames = "".join(f'<iframe src="{part}.html" title="{part}"></iframe> ' for part in parts)
            (folder / f"{name}.html").write_text(document(title, frames, "two"), encoding="utf-8")
    items = [card(name, titles[name], PAGES[name][1], name) for name in names]
    both = [
        card(name, title, "Both beside each other.", parts[0])
        for name, (title, parts) in BESIDE.items()
        if set(parts) <= set(names)
    ]
    told = (
        "<h1>handgrad: live pages</h1><p>Each is one file that works offline. Change any number; let it "
        "train; plant a mistake in a backward, and see what the checker says.</p>"
        f'<ul class="cards">{"".join(items + both)}</ul>'
    )
    (folder / "index.html").write_text(document("handgrad: live pages", told), encoding="utf-8")
    return [*written, folder / "index.html"]


def main() -> None:
    folder, *names = sys.argv[1:] or ["build/gallery"]
    unknown = [name for name in names if name not in PAGES]
    if unknown:
        sys.exit(f"there is no page {unknown[0]}: there are {', '.join(PAGES)}")
    write(Path(folder), names or list(PAGES))


if __name__ == "__main__":
    main()
