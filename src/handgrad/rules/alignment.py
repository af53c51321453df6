"""Losses of sequences that are aligned with their labels by nobody: all alignments are summed over."""

import math

from handgrad.arrays import beside, cast, shape, values_are_known, xp
from handgrad.rules.indexing import along
from handgrad.rules.loss import reduced
from handgrad.rules.reduction import exponentials
from handgrad.rules.rule import rule


@rule
def ctc_loss(
    log_y, t, input_lengths=None, target_lengths=None, /, blank=0, reduction="mean", zero_infinity=False
):
    """Connectionist temporal classification, the loss of labels that may stand anywhere.   Graves et al. 2006

    loss = -Σ log p / (S·N).   dlog_y = -γ·dout / (S·N)

    reduction="sum": loss = -Σ log p.   dlog_y = -γ·dout

    reduction="none": loss = -log p.   dlog_y = -γ·dout

    log_y (T, N, C) logarithms of probabilities, as of ``log_softmax``; t (N, S) labels, of which p is the
    probability. An alignment has a class for each of T steps, and reads as t when repeats are taken
    together, and then blanks away. With blanks between the labels, l (N, 2S + 1), α(s) is the probability
    of all ways to be at l(s) after a step, β(s) that of all that go on from there to the end. So p = Σ α·β
    at each step, and γ, the probability to be at a class then, the sum of α·β / p where l(s) is that class.
    α is a loop over the steps, β one the other way, both in logarithms.

    ``input_lengths`` and ``target_lengths`` (N,): how much of T and S counts, all where they are not given.
    As in PyTorch, "mean" is over labels, then over the batch. Where no alignment is possible the loss is ∞,
    or with ``zero_infinity`` 0, and the gradient 0. (PyTorch's is y - γ in the place of -γ, which is as
    much after ``log_softmax`` alone.)

    Raises:
        ValueError: shapes, or lengths, do not fit; an unknown ``reduction``.

    Examples:
        >>> log_y = np.log(np.full((2, 1, 2), 0.5))  # two steps, one example, the blank and one symbol
        >>> loss = hg.ctc_loss(log_y, np.array([[1]]), reduction="sum")
        >>> print(round(float(loss), 6))  # -log 3/4: of four ways, only two blanks are wrong
        0.287682
    """
    T, N, C = check_labels(log_y, t, blank)
    t = beside(t, log_y)
    steps, ends = length_of(input_lengths, N, T, t), length_of(target_lengths, N, shape(t)[1], t)
    labels, may_skip = with_blanks(t, ends, blank)
    L = shape(labels)[1]
    places = xp.broadcast_to(xp.reshape(labels, (1, N, L)), (T, N, L))
    e = xp.take_along_axis(log_y, places, axis=-1)
    s, time = xp.arange_like(t, L), xp.reshape(xp.arange_like(t, T), (T, 1, 1))
    is_end = (s == 2 * ends) | (s == 2 * ends - 1)
    zero = xp.zeros_like(xp.sum(e, axis=0))

    def forwards(a, at):
        e, is_within = at
        from_two = xp.where(may_skip, shifted(a, 2), -math.inf)
        moved = xp.logaddexp(xp.logaddexp(a, shifted(a, 1)), from_two) + e
        a = xp.where(is_within, moved, a)
        return a, a

    last, alphas = xp.scan(forwards, xp.where(s == 0, zero, -math.inf), (e, time < steps))
    peak, _, _, total = exponentials(xp.where(is_end, last, -math.inf), -1)
    log_p = (peak + xp.log(total))[:, 0]
    is_possible = log_p > -math.inf
    loss = xp.where(is_possible, -log_p, 0 if zero_infinity else math.inf)
    share = 1 / cast(xp.maximum(ends[:, 0], 1), like=log_y) if reduction == "mean" else 1
    loss, to_rows = reduced(loss * share, reduction, max(N, 1))

    def backward(dout):
        def backwards(after, at):
            e, is_within, is_last = at
            to_two = shifted(xp.where(may_skip, after, -math.inf), -2)
            b = xp.logaddexp(xp.logaddexp(after, shifted(after, -1)), to_two)
            b = xp.where(is_last, xp.where(is_end, zero, -math.inf), b)
            b = xp.where(is_within, b, -math.inf)
            return b + e, b

        _, betas = xp.scan(backwards, zero - math.inf, (e, time < steps, time == steps - 1), reverse=True)
        safe = xp.where(is_possible, log_p, xp.zeros_like(log_p))
        gamma = xp.exp(alphas + betas - xp.reshape(safe, (N, 1)))
        d = xp.reshape(xp.where(is_possible, to_rows(dout) * share, 0), (N, 1))
        return xp.scatter_add(-gamma * d, along(places, 2), (T, N, C)), None, None, None

    return loss, backward


def with_blanks(t, ends, blank):
    """Labels with a blank before, between and after them, (N, 2S + 1), and which may follow the last but one.

    That is so where a blank stands between labels that differ. What is beyond the end of a row is blank.
    """
    N, S = shape(t)
    t = xp.where(xp.arange_like(t, S) < ends, t, blank)
    pairs = xp.reshape(xp.stack([xp.zeros_like(t) + blank, t], axis=-1), (N, 2 * S))
    labels = xp.concat([pairs, xp.zeros_like(ends) + blank], axis=1)
    if not S:
        return labels, labels != labels
    differ = labels[:, 2:] != labels[:, :-2]
    return labels, xp.concat([labels[:, :2] != labels[:, :2], differ], axis=1)


def shifted(a, n):
    """a, n places further along the last axis, -∞ where nothing comes from."""
    L = shape(a)[-1]
    k = min(abs(n), L)
    fill = xp.zeros_like(a[..., :k]) - math.inf
    return xp.concat([fill, a[..., : L - k]] if n > 0 else [a[..., k:], fill], axis=-1)


def length_of(lengths, N, most, t):
    """Lengths as a column (N, 1), all ``most`` where none are given.

    Raises:
        ValueError: there is not one for each sequence, or one is longer than the sequence.
    """
    if lengths is None:
        return xp.zeros_like(xp.reshape(xp.sum(t, axis=1), (N, 1))) + most
    lengths = beside(lengths, t)
    if shape(lengths) != (N,):
        raise ValueError(f"lengths are one for each of {N} sequences, not of shape {shape(lengths)}")
    if values_are_known(lengths) and N and not 0 <= int(xp.min(lengths)) <= int(xp.max(lengths)) <= most:
        raise ValueError(f"lengths are 0 to {most}, not {int(xp.min(lengths))} to {int(xp.max(lengths))}")
    return xp.reshape(lengths, (N, 1))


def check_labels(log_y, t, blank):
    """The shape of log_y, where it and labels are of such that they fit.

    Raises:
        ValueError: they are not.
    """
    if len(shape(log_y)) != 3 or len(shape(t)) != 2 or shape(t)[0] != shape(log_y)[1]:
        raise ValueError(f"log_y is (T, N, C) and t (N, S), labels; not {shape(log_y)} and {shape(t)}")
    if not 0 <= blank < shape(log_y)[2]:
        raise ValueError(f"blank is one of the {shape(log_y)[2]} classes, not {blank}")
    return shape(log_y)
