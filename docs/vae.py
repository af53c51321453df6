"""Train handgrad.models.VAE on handwritten digits, and draw what it makes of them and of nothing.

python docs/vae.py            # docs/vae.png: held-out digits, the same decoded, and four rows of drawn ones
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import handgrad as hg
from handgrad.files import write_atomically
from handgrad.models import VAE, vae_loss
from handgrad.optim import Adam, cosine
from handgrad.train import Trainer
from handgrad.view.thumbnails import coloured_png

ROWS, COLUMNS, GAP, SCALE = 4, 12, 3, 2


def trained(x: np.ndarray, held_out: np.ndarray, epochs: int, batch_size: int = 50) -> Trainer:
    """x (N, D) in [0, 1]"""
    rate = cosine(2e-3, epochs * -(-len(x) // batch_size))
    trainer = Trainer(VAE(x.shape[1], seed=0), vae_loss, Adam(rate), seed=0, metrics={}, progress=True)
    trainer.fit(x, x, epochs, batch_size, validation=(held_out, held_out))
    return trainer


def rows(net: VAE, x: np.ndarray) -> np.ndarray:
    """Images (2 + ROWS, COLUMNS, D): the first of x, what is decoded of them, and of normal z."""
    x = x[:COLUMNS]
    logits, mean, _ = net.evaluate()(x)
    z = np.random.default_rng(0).standard_normal((ROWS * COLUMNS, mean.shape[1])).astype(x.dtype)
    drawn = hg.rules.sigmoid(net.decode(z)).reshape(ROWS, COLUMNS, -1)
    return np.concatenate([x[None], hg.rules.sigmoid(logits)[None], drawn])


def picture(images: np.ndarray) -> bytes:
    """A PNG of images (R, C, D), dark on white, in a grid with gaps."""
    R, C, D = images.shape
    side = round(D**0.5)
    cells = np.pad(images.reshape(R, C, side, side), ((0, 0), (0, 0), (GAP, GAP), (GAP, GAP)))
    sheet = cells.transpose(0, 2, 1, 3).reshape(R * cells.shape[2], -1)
    grey = np.uint8(np.rint(255 * (1 - sheet.clip(0, 1)))).repeat(SCALE, 0).repeat(SCALE, 1)
    return coloured_png(np.repeat(grey[:, :, None], 3, axis=2))


def main(arguments: Any = None) -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", default="mnist-5k", help="images in one row each (default mnist-5k)")
    options.add_argument("--epochs", type=int, default=60)
    options.add_argument("--out", type=Path, default=Path(__file__).with_name("vae.png"))
    args = options.parse_args(arguments)
    train, test = hg.data.load(args.data).split(test=0.2, seed=0)
    most = np.float32(np.max(train.x))
    x, held_out = (np.asarray(part.x, np.float32).reshape(len(part), -1) / most for part in (train, test))
    net = trained(x, held_out, args.epochs).net
    assert isinstance(net, VAE)
    write_atomically(args.out, picture(rows(net, held_out)))
    print(args.out)


if __name__ == "__main__":
    main()
