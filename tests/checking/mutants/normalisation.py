"""Batch, layer, group, instance and root-mean-square normalisation."""

from __future__ import annotations

import numpy as np

from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.samples import normal

BATCH = normal((6, 3), (3,), (3,))
LAYER = normal((3, 5), (5,), (5,))
SQUARE = normal((4, 4), (4,), (4,))


def standard(x, axis, eps=1e-5):
    """(x - mean) / std, and 1 / std"""
    centred = x - np.mean(x, axis=axis, keepdims=True)
    scale = 1 / np.sqrt(np.mean(centred**2, axis=axis, keepdims=True) + eps)
    return centred * scale, scale


def standard_backward(d, x_hat, scale, axis):
    """Through x̂ to x: what is along the mean and along x̂ itself is taken out."""
    along = np.mean(d * x_hat, axis=axis, keepdims=True)
    return scale * (d - np.mean(d, axis=axis, keepdims=True) - x_hat * along)


@correct(BATCH)
def batch_norm(x, gamma, beta):
    """Over the rows, out = γ x̂ + β"""
    x_hat, scale = standard(x, 0)

    def backward(dout):
        dx = standard_backward(dout * gamma, x_hat, scale, 0)
        return dx, np.sum(dout * x_hat, axis=0), np.sum(dout, axis=0)

    return gamma * x_hat + beta, backward


@mutant("statistics-constant", BATCH)
def batch_norm_as_in_evaluation(x, gamma, beta):
    x_hat, scale = standard(x, 0)

    def backward(dout):
        dx = dout * gamma * scale  # less the parts along the mean and x̂
        return dx, np.sum(dout * x_hat, axis=0), np.sum(dout, axis=0)

    return gamma * x_hat + beta, backward


@mutant("mean-term", BATCH)
def batch_norm_without_mean_term(x, gamma, beta):
    x_hat, scale = standard(x, 0)

    def backward(dout):
        d = dout * gamma
        dx = scale * (d - x_hat * np.mean(d * x_hat, axis=0))  # - np.mean(d, axis=0)
        return dx, np.sum(dout * x_hat, axis=0), np.sum(dout, axis=0)

    return gamma * x_hat + beta, backward


@mutant("variance-term", BATCH)
def batch_norm_without_variance_term(x, gamma, beta):
    x_hat, scale = standard(x, 0)

    def backward(dout):
        d = dout * gamma
        dx = scale * (d - np.mean(d, axis=0))  # - x̂ np.mean(d x̂, axis=0)
        return dx, np.sum(dout * x_hat, axis=0), np.sum(dout, axis=0)

    return gamma * x_hat + beta, backward


@mutant("variance-term", BATCH)
def batch_norm_variance_term_halved(x, gamma, beta):
    x_hat, scale = standard(x, 0)

    def backward(dout):
        d = dout * gamma
        along = 0.5 * np.mean(d * x_hat, axis=0)  # the derivative of the root is in scale³
        return scale * (d - d.mean(0) - x_hat * along), np.sum(dout * x_hat, axis=0), np.sum(dout, axis=0)

    return gamma * x_hat + beta, backward


@mutant("local-derivative", BATCH)
def batch_norm_std_rooted_again(x, gamma, beta):
    x_hat, scale = standard(x, 0)

    def backward(dout):
        dx = standard_backward(dout * gamma, x_hat, np.sqrt(scale), 0)  # scale
        return dx, np.sum(dout * x_hat, axis=0), np.sum(dout, axis=0)

    return gamma * x_hat + beta, backward


@mutant("swapped", BATCH)
def batch_norm_gamma_and_beta(x, gamma, beta):
    x_hat, scale = standard(x, 0)

    def backward(dout):
        dx = standard_backward(dout * gamma, x_hat, scale, 0)
        return dx, np.sum(dout, axis=0), np.sum(dout * x_hat, axis=0)  # the other way round

    return gamma * x_hat + beta, backward


@mutant("wrong-array", BATCH)
def batch_norm_gamma_by_x(x, gamma, beta):
    x_hat, scale = standard(x, 0)

    def backward(dout):
        dx = standard_backward(dout * gamma, x_hat, scale, 0)
        return dx, np.sum(dout * x, axis=0), np.sum(dout, axis=0)  # x_hat

    return gamma * x_hat + beta, backward


@mutant("local-derivative", BATCH)
def batch_norm_gamma_forgotten(x, gamma, beta):
    x_hat, scale = standard(x, 0)

    def backward(dout):
        dx = standard_backward(dout, x_hat, scale, 0)  # dout * gamma
        return dx, np.sum(dout * x_hat, axis=0), np.sum(dout, axis=0)

    return gamma * x_hat + beta, backward


@mutant("wrong-axis", SQUARE)
def batch_norm_backward_over_features(x, gamma, beta):
    x_hat, scale = standard(x, 0)

    def backward(dout):
        dx = standard_backward(dout * gamma, x_hat, scale, 1)  # 0
        return dx, np.sum(dout * x_hat, axis=0), np.sum(dout, axis=0)

    return gamma * x_hat + beta, backward


@mutant(("broadcast", "factor"), BATCH)  # the mean of the rows is their sum by a constant
def batch_norm_beta_averaged(x, gamma, beta):
    x_hat, scale = standard(x, 0)

    def backward(dout):
        dx = standard_backward(dout * gamma, x_hat, scale, 0)
        return dx, np.mean(dout * x_hat, axis=0), np.mean(dout, axis=0)  # np.sum

    return gamma * x_hat + beta, backward


@mutant("epsilon", lambda r: (0.02 * r.standard_normal((6, 3)), r.standard_normal(3), r.standard_normal(3)))
def batch_norm_epsilon_forgotten(x, gamma, beta):
    x_hat, _ = standard(x, 0, eps=1e-4)
    bare_hat, bare = standard(x, 0, eps=0)  # 1e-4

    def backward(dout):
        dx = standard_backward(dout * gamma, bare_hat, bare, 0)
        return dx, np.sum(dout * x_hat, axis=0), np.sum(dout, axis=0)

    return gamma * x_hat + beta, backward


RUNNING = {"mean": np.zeros(3), "var": np.ones(3)}


@mutant("state", BATCH)
def batch_norm_running_in_evaluation(x, gamma, beta):
    """By the running statistics, which evaluation must leave alone"""
    scale = 1 / np.sqrt(RUNNING["var"] + 1e-5)
    x_hat = (x - RUNNING["mean"]) * scale
    RUNNING["mean"] = 0.9 * RUNNING["mean"] + 0.1 * np.mean(x, axis=0)
    RUNNING["var"] = 0.9 * RUNNING["var"] + 0.1 * np.var(x, axis=0)

    def backward(dout):
        return dout * gamma * scale, np.sum(dout * x_hat, axis=0), np.sum(dout, axis=0)

    return gamma * x_hat + beta, backward


@correct(lambda r: (r.standard_normal((4, 3)), r.standard_normal(3), r.uniform(0.5, 2, 3)))
def batch_norm_evaluation(x, mean, var):
    """Of statistics that are inputs"""
    scale = 1 / np.sqrt(var + 1e-5)

    def backward(dout):
        dx = dout * scale
        dvar = np.sum(dout * (x - mean), axis=0) * -0.5 * scale**3
        return dx, -np.sum(dx, axis=0), dvar

    return (x - mean) * scale, backward


@mutant("missing-path", lambda r: (r.standard_normal((4, 3)), r.standard_normal(3), r.uniform(0.5, 2, 3)))
def batch_norm_shift_by_scaled_mean(x, mean, var):
    """out = x s - mean s: both have the variance in them"""
    scale = 1 / np.sqrt(var + 1e-5)

    def backward(dout):
        dx = dout * scale
        dvar = np.sum(dout * x, axis=0) * -0.5 * scale**3  # x - mean
        return dx, -np.sum(dx, axis=0), dvar

    return x * scale - mean * scale, backward


@mutant("factor", lambda r: (r.standard_normal((4, 3)), r.standard_normal(3), r.uniform(0.5, 2, 3)))
def batch_norm_mean_sign(x, mean, var):
    scale = 1 / np.sqrt(var + 1e-5)

    def backward(dout):
        dx = dout * scale
        dvar = np.sum(dout * (x - mean), axis=0) * -0.5 * scale**3
        return dx, np.sum(dx, axis=0), dvar  # -

    return (x - mean) * scale, backward


@correct(LAYER)
def layer_norm(x, gamma, beta):
    """Over each row, out = γ x̂ + β"""
    x_hat, scale = standard(x, 1)

    def backward(dout):
        dx = standard_backward(dout * gamma, x_hat, scale, 1)
        return dx, np.sum(dout * x_hat, axis=0), np.sum(dout, axis=0)

    return gamma * x_hat + beta, backward


@mutant("mean-term", LAYER)
def layer_norm_without_mean_term(x, gamma, beta):
    x_hat, scale = standard(x, 1)

    def backward(dout):
        d = dout * gamma
        dx = scale * (d - x_hat * np.mean(d * x_hat, axis=1, keepdims=True))
        return dx, np.sum(dout * x_hat, axis=0), np.sum(dout, axis=0)

    return gamma * x_hat + beta, backward


@mutant("variance-term", LAYER)
def layer_norm_without_variance_term(x, gamma, beta):
    x_hat, scale = standard(x, 1)

    def backward(dout):
        d = dout * gamma
        dx = scale * (d - np.mean(d, axis=1, keepdims=True))
        return dx, np.sum(dout * x_hat, axis=0), np.sum(dout, axis=0)

    return gamma * x_hat + beta, backward


@mutant("statistics-constant", LAYER)
def layer_norm_scaled_only(x, gamma, beta):
    x_hat, scale = standard(x, 1)

    def backward(dout):
        return dout * gamma * scale, np.sum(dout * x_hat, axis=0), np.sum(dout, axis=0)

    return gamma * x_hat + beta, backward


@mutant("wrong-axis", SQUARE)
def layer_norm_means_over_the_batch(x, gamma, beta):
    x_hat, scale = standard(x, 1)

    def backward(dout):
        dx = standard_backward(dout * gamma, x_hat, scale, 0)  # 1
        return dx, np.sum(dout * x_hat, axis=0), np.sum(dout, axis=0)

    return gamma * x_hat + beta, backward


@mutant("wrong-axis", SQUARE)
def layer_norm_gamma_over_the_row(x, gamma, beta):
    x_hat, scale = standard(x, 1)

    def backward(dout):
        dx = standard_backward(dout * gamma, x_hat, scale, 1)
        return dx, np.sum(dout * x_hat, axis=1), np.sum(dout, axis=1)  # axis=0

    return gamma * x_hat + beta, backward


@mutant("wrong-axis", normal((4, 4), (4,), (4,)))
def layer_norm_gamma_on_rows(x, gamma, beta):
    x_hat, scale = standard(x, 1)

    def backward(dout):
        dx = standard_backward(dout * gamma[:, None], x_hat, scale, 1)  # gamma
        return dx, np.sum(dout * x_hat, axis=0), np.sum(dout, axis=0)

    return gamma * x_hat + beta, backward


@mutant("factor", LAYER)
def layer_norm_unbiased_in_backward(x, gamma, beta):
    x_hat, scale = standard(x, 1)
    n = x.shape[1]

    def backward(dout):
        dx = standard_backward(dout * gamma, x_hat, scale, 1)
        return dx * np.sqrt((n - 1) / n), np.sum(dout * x_hat, axis=0), np.sum(dout, axis=0)  # 1 / std by n

    return gamma * x_hat + beta, backward


@mutant("mutates", LAYER)
def layer_norm_centres_x_in_place(x, gamma, beta):
    x -= np.mean(x, axis=1, keepdims=True)
    x_hat, scale = standard(x, 1)

    def backward(dout):
        dx = standard_backward(dout * gamma, x_hat, scale, 1)
        return dx, np.sum(dout * x_hat, axis=0), np.sum(dout, axis=0)

    return gamma * x_hat + beta, backward


@mutant(("stale-cache", "wrong-array"), LAYER)  # what was saved has become the output
def layer_norm_saved_then_scaled(x, gamma, beta):
    x_hat, scale = standard(x, 1)
    out = x_hat
    out *= gamma  # what was saved
    out += beta

    def backward(dout):
        dx = standard_backward(dout * gamma, x_hat, scale, 1)
        return dx, np.sum(dout * x_hat, axis=0), np.sum(dout, axis=0)

    return out, backward


@correct(normal((4, 5)))
def centre(x):
    """Of each column the mean is taken"""

    def backward(dout):
        return dout - np.mean(dout, axis=0)

    return x - np.mean(x, axis=0), backward


# The mean is the only statistic, and the other path.
@mutant(("mean-term", "statistics-constant", "missing-path"), normal((4, 5)))
def centre_mean_constant(x):
    def backward(dout):
        return dout * 1.0  # - np.mean(dout, axis=0)

    return x - np.mean(x, axis=0), backward


@correct(normal((3, 4), (4,)))
def rms_norm(x, gamma):
    """out = γ x / √mean x²"""
    scale = 1 / np.sqrt(np.mean(x * x, axis=1, keepdims=True) + 1e-6)
    x_hat = x * scale

    def backward(dout):
        d = dout * gamma
        dx = scale * (d - x_hat * np.mean(d * x_hat, axis=1, keepdims=True))
        return dx, np.sum(dout * x_hat, axis=0)

    return gamma * x_hat, backward


@mutant(("variance-term", "statistics-constant"), normal((3, 4), (4,)))  # it has no other statistic
def rms_norm_scale_constant(x, gamma):
    scale = 1 / np.sqrt(np.mean(x * x, axis=1, keepdims=True) + 1e-6)

    def backward(dout):
        return dout * gamma * scale, np.sum(dout * x * scale, axis=0)

    return gamma * x * scale, backward


@mutant("factor", normal((3, 4), (4,)))
def rms_norm_sum_for_mean(x, gamma):
    scale = 1 / np.sqrt(np.mean(x * x, axis=1, keepdims=True) + 1e-6)
    x_hat = x * scale

    def backward(dout):
        d = dout * gamma
        dx = scale * (d - x_hat * np.sum(d * x_hat, axis=1, keepdims=True))  # np.mean
        return dx, np.sum(dout * x_hat, axis=0)

    return gamma * x_hat, backward


@mutant("epsilon", lambda r: (0.03 * r.standard_normal((3, 4)), r.standard_normal(4)))
def rms_norm_epsilon_in_backward_only(x, gamma):
    bare = 1 / np.sqrt(np.mean(x * x, axis=1, keepdims=True))

    def backward(dout):
        scale = 1 / np.sqrt(np.mean(x * x, axis=1, keepdims=True) + 1e-5)  # without
        d = dout * gamma
        dx = scale * (d - x * scale * np.mean(d * x * scale, axis=1, keepdims=True))
        return dx, np.sum(dout * x * bare, axis=0)

    return gamma * x * bare, backward


@correct(normal((2, 4, 3)))
def group_norm(x, groups=2):
    """(N, C, L): each group of channels is normalised over itself and the length."""
    N, C, L = x.shape
    x_hat, scale = standard(x.reshape(N, groups, C // groups * L), 2)

    def backward(dout):
        return standard_backward(dout.reshape(x_hat.shape), x_hat, scale, 2).reshape(x.shape)

    return x_hat.reshape(x.shape), backward


@mutant("statistics-constant", normal((2, 4, 3)))
def group_norm_scaled_only(x, groups=2):
    N, C, L = x.shape
    x_hat, scale = standard(x.reshape(N, groups, C // groups * L), 2)

    def backward(dout):
        return (scale * dout.reshape(x_hat.shape)).reshape(x.shape)  # standard_backward

    return x_hat.reshape(x.shape), backward


@mutant("group", normal((2, 4, 3)))
def group_norm_first_group_only(x, groups=2):
    N, C, L = x.shape
    x_hat, scale = standard(x.reshape(N, groups, C // groups * L), 2)

    def backward(dout):
        dx = np.zeros_like(x_hat)
        dx[:, 0] = standard_backward(dout.reshape(x_hat.shape), x_hat, scale, 2)[:, 0]  # and the others
        return dx.reshape(x.shape)

    return x_hat.reshape(x.shape), backward


@mutant("group", normal((2, 4, 3)))
def group_norm_all_as_one_group(x, groups=2):
    N, C, L = x.shape
    x_hat, scale = standard(x.reshape(N, groups, C // groups * L), 2)

    def backward(dout):
        return standard_backward(dout.reshape(x_hat.shape), x_hat, scale, (1, 2)).reshape(x.shape)  # 2

    return x_hat.reshape(x.shape), backward


@mutant("group", normal((2, 4, 3)))
def group_norm_interleaved(x, groups=2):
    N, C, L = x.shape
    x_hat, scale = standard(x.reshape(N, groups, C // groups * L), 2)

    def backward(dout):
        mixed = dout.reshape(N, C // groups, groups, L).swapaxes(1, 2).reshape(x_hat.shape)
        return standard_backward(mixed, x_hat, scale, 2).reshape(x.shape)

    return x_hat.reshape(x.shape), backward


@mutant("layout", normal((2, 4, 3)))
def group_norm_by_memory(x, groups=2):
    N, C, L = x.shape
    x_hat, scale = standard(x.reshape((N, groups, C // groups * L)), 2)

    def backward(dout):
        d = dout.reshape(x_hat.shape, order="A")  # "C"
        return standard_backward(d, x_hat, scale, 2).reshape(x.shape)

    return x_hat.reshape(x.shape), backward


@correct(normal((2, 3, 4)))
def instance_norm(x):
    """(N, C, L): each channel of each example over its length"""
    x_hat, scale = standard(x, 2)

    def backward(dout):
        return standard_backward(dout, x_hat, scale, 2)

    return x_hat, backward


@mutant("statistics-constant", normal((2, 3, 4)))
def instance_norm_scaled_only(x):
    x_hat, scale = standard(x, 2)

    def backward(dout):
        return scale * dout  # standard_backward

    return x_hat, backward


@mutant("mean-term", normal((2, 3, 4)))
def instance_norm_without_mean_term(x):
    x_hat, scale = standard(x, 2)

    def backward(dout):
        return scale * (dout - x_hat * np.mean(dout * x_hat, axis=2, keepdims=True))

    return x_hat, backward


@mutant("variance-term", normal((2, 3, 4)))
def instance_norm_without_variance_term(x):
    x_hat, scale = standard(x, 2)

    def backward(dout):
        return scale * (dout - np.mean(dout, axis=2, keepdims=True))

    return x_hat, backward


@mutant("wrong-axis", normal((2, 3, 3)))
def instance_norm_over_channels(x):
    x_hat, scale = standard(x, 2)

    def backward(dout):
        return standard_backward(dout, x_hat, scale, 1)  # 2

    return x_hat, backward


@correct(normal((3, 4), (4,)))
def weight_norm(v, g):
    """Columns of W with the lengths g, out = g v / |v|"""
    length = np.sqrt(np.sum(v * v, axis=0))
    unit = v / length

    def backward(dout):
        dg = np.sum(dout * unit, axis=0)
        return g / length * (dout - unit * dg), dg

    return g * unit, backward


@mutant(("missing-path", "statistics-constant", "variance-term"), normal((3, 4), (4,)))  # its one statistic
def weight_norm_length_constant(v, g):
    length = np.sqrt(np.sum(v * v, axis=0))

    def backward(dout):
        return g / length * dout, np.sum(dout * v / length, axis=0)

    return g * v / length, backward


@mutant("local-derivative", normal((3, 4), (4,)))
def weight_norm_length_squared(v, g):
    length = np.sqrt(np.sum(v * v, axis=0))
    unit = v / length

    def backward(dout):
        dg = np.sum(dout * unit, axis=0)
        return g / length**2 * (dout - unit * dg), dg  # length

    return g * unit, backward


@mutant("local-derivative", BATCH)
def batch_norm_divides_by_the_variance(x, gamma, beta, eps=1e-5):
    x_hat, var = standard(x, 0)[0], np.var(x, axis=0)

    def backward(dout):
        d = dout * gamma
        along = np.mean(d * x_hat, axis=0)
        dx = (d - np.mean(d, axis=0) - x_hat * along) / (var + eps)  # np.sqrt(var + eps)
        return dx, np.sum(dout * x_hat, axis=0), np.sum(dout, axis=0)

    return gamma * x_hat + beta, backward
