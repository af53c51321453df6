"""Random masks and noise: dropout and its relatives, each drawn by a seed that is an input."""

from __future__ import annotations

import numpy as np

from tests.checking.mutants.corpus import correct, mutant


def draw(r):
    return r.standard_normal((4, 5)), int(r.integers(1000))


def draw_rectified(r):
    """As after a relu: many elements are zero."""
    return np.maximum(r.standard_normal((4, 5)), 0), int(r.integers(1000))


def kept(shape, seed, p):
    return np.random.default_rng(seed).random(shape) >= p


@correct(draw)
def dropout(x, seed, p=0.4):
    mask = kept(x.shape, seed, p) / (1 - p)

    def backward(dout):
        return dout * mask, None

    return x * mask, backward


@mutant("factor", draw)
def dropout_scale_forgotten(x, seed, p=0.4):
    mask = kept(x.shape, seed, p)

    def backward(dout):
        return dout * mask, None  # / (1 - p)

    return x * mask / (1 - p), backward


@mutant("factor", draw)
def dropout_scaled_by_p(x, seed, p=0.3):
    mask = kept(x.shape, seed, p)

    def backward(dout):
        return dout * mask / p, None  # 1 - p

    return x * mask / (1 - p), backward


@mutant("factor", draw)
def dropout_scaled_in_backward_only(x, seed, p=0.4):
    mask = kept(x.shape, seed, p)

    def backward(dout):
        return dout * mask / (1 - p), None  # the forward has no scale

    return x * mask, backward


@mutant(("local-derivative", "factor"), draw)  # twice the mask of zeros and 1 / (1 - p)
def dropout_mask_twice(x, seed, p=0.4):
    mask = kept(x.shape, seed, p) / (1 - p)

    def backward(dout):
        return dout * mask * mask, None

    return x * mask, backward


@mutant("mask", draw)
def dropout_of_the_kept(x, seed, p=0.4):
    mask = kept(x.shape, seed, p)

    def backward(dout):
        return dout * ~mask / (1 - p), None  # mask

    return x * mask / (1 - p), backward


@mutant(("mask", "local-derivative"), draw)  # a mask is all the derivative there is
def dropout_mask_ignored(x, seed, p=0.4):
    mask = kept(x.shape, seed, p)

    def backward(dout):
        return dout / (1 - p), None  # * mask

    return x * mask / (1 - p), backward


@mutant("mask", draw)
def dropout_inferred_from_zeros(x, seed, p=0.4):
    out = x * kept(x.shape, seed, p) / (1 - p)

    def backward(dout):
        return dout * (out != 0) / (1 - p), None  # right where x is not zero

    return out, backward


@mutant("mask", draw_rectified)
def dropout_inferred_from_zeros_of_relu(x, seed, p=0.4):
    out = x * kept(x.shape, seed, p) / (1 - p)

    def backward(dout):
        return dout * (out != 0) / (1 - p), None  # where x is zero it may have been kept

    return out, backward


@mutant("random", draw)
def dropout_drawn_again(x, seed, p=0.4):
    rng = np.random.default_rng(seed)
    out = x * (rng.random(x.shape) >= p) / (1 - p)

    def backward(dout):
        return dout * (rng.random(x.shape) >= p) / (1 - p), None  # the next draw

    return out, backward


@mutant("random", draw)
def dropout_drawn_anew_without_seed(x, seed, p=0.4):
    out = x * kept(x.shape, seed, p) / (1 - p)

    def backward(dout):
        return dout * (np.random.random(x.shape) >= p) / (1 - p), None

    return out, backward


@mutant(("random", "wrong-array"), draw)  # another mask, but each time the same
def dropout_next_seed(x, seed, p=0.4):
    out = x * kept(x.shape, seed, p) / (1 - p)

    def backward(dout):
        return dout * kept(x.shape, seed + 1, p) / (1 - p), None  # seed

    return out, backward


@mutant("random", lambda r: (r.standard_normal((4, 5)),))
def dropout_never_seeded(x, p=0.4):
    """Neither is the forward."""
    out = x * (np.random.random(x.shape) >= p) / (1 - p)

    def backward(dout):
        return dout * (np.random.random(x.shape) >= p) / (1 - p)

    return out, backward


@mutant("wrong-axis", lambda r: (r.standard_normal((5, 5)), int(r.integers(5))))
def dropout_of_channels_on_rows(x, seed, p=0.5):
    """Whole columns are dropped."""
    mask = kept(x.shape[1], seed, p) / (1 - p)

    def backward(dout):
        return dout * mask[:, None], None  # mask

    return x * mask, backward


@mutant("precision", draw)
def dropout_mask_in_single(x, seed, p=0.3):
    mask = kept(x.shape, seed, p)

    def backward(dout):
        return dout * (mask / np.float64(1 - p)).astype(np.float32), None

    return x * mask / (1 - p), backward


@mutant(("integer", "factor"), draw)  # 1 / (1 - p) truncated is forgotten
def dropout_scale_truncated(x, seed, p=0.4):
    mask = kept(x.shape, seed, p)

    def backward(dout):
        scaled = mask.astype(int)
        scaled[mask] = 1 / (1 - p)  # 1
        return dout * scaled, None

    return x * mask / (1 - p), backward


MASKS = {}


@mutant("stale-cache", draw)
def dropout_mask_of_last_use(x, seed, p=0.4):
    MASKS["mask"] = kept(x.shape, seed, p)

    def backward(dout):
        return dout * MASKS["mask"] / (1 - p), None

    return x * MASKS["mask"] / (1 - p), backward


@correct(draw)
def noisy_scale(x, seed):
    """out = x (1 + noise)"""
    noise = np.random.default_rng(seed).standard_normal(x.shape)

    def backward(dout):
        return dout * (1 + noise), None

    return x * (1 + noise), backward


@mutant("random", draw)
def noisy_scale_other_noise(x, seed):
    rng = np.random.default_rng(seed)
    out = x * (1 + rng.standard_normal(x.shape))

    def backward(dout):
        return dout * (1 + rng.standard_normal(x.shape)), None

    return out, backward


@mutant("missing-path", draw)
def noisy_scale_noise_forgotten(x, seed):
    noise = np.random.default_rng(seed).standard_normal(x.shape)

    def backward(dout):
        return dout * 1.0, None  # + dout noise

    return x + x * noise, backward


@correct(lambda r: (r.standard_normal((3, 4)), r.uniform(-1, 1, (3, 4)), int(r.integers(1000))))
def reparameterised(mean, logvar, seed):
    """A normal sample, mean + exp(logvar / 2) noise"""
    noise = np.random.default_rng(seed).standard_normal(mean.shape)
    std = np.exp(logvar / 2)

    def backward(dout):
        return dout, dout * std * noise / 2, None

    return mean + std * noise, backward


@mutant("factor", lambda r: (r.standard_normal((3, 4)), r.uniform(-1, 1, (3, 4)), int(r.integers(1000))))
def reparameterised_half_forgotten(mean, logvar, seed):
    noise = np.random.default_rng(seed).standard_normal(mean.shape)
    std = np.exp(logvar / 2)

    def backward(dout):
        return dout, dout * std * noise, None  # / 2

    return mean + std * noise, backward


@mutant("random", lambda r: (r.standard_normal((3, 4)), r.uniform(-1, 1, (3, 4)), int(r.integers(1000))))
def reparameterised_sampled_again(mean, logvar, seed):
    rng = np.random.default_rng(seed)
    std = np.exp(logvar / 2)
    out = mean + std * rng.standard_normal(mean.shape)

    def backward(dout):
        return dout, dout * std * rng.standard_normal(mean.shape) / 2, None

    return out, backward
