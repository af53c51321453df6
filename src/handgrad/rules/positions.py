"""Where in a sequence something is, told to attention: by angles, waves or distances."""

import numpy as np

from handgrad.arrays import beside, cast, shape, xp
from handgrad.rules.rule import rule


def frequencies(D, base):
    """ωᵢ = base^(-2i / D) for i = 0 .. D/2 - 1.

    Raises:
        ValueError: D is odd.
    """
    if D % 2:
        raise ValueError(f"positions are turned in pairs of numbers: the last axis is even, not {D}")
    return base ** (-np.arange(0, D, 2) / max(D, 1))


@rule
def rotary(x, positions=None, /, base=10000.0, interleaved=False):
    """Pairs of numbers turned by an angle that grows with the position.   Su et al. 2021

    out₁ = x₁·cos θ - x₂·sin θ, out₂ = x₁·sin θ + x₂·cos θ
    dx₁ = dout₁·cos θ + dout₂·sin θ, dx₂ = dout₂·cos θ - dout₁·sin θ

    x (..., T, D) -> (..., T, D); θ = t·base^(-2i / D) for the i-th pair at position t. A rotation's
    transpose is its inverse, so dout is turned back. The product of a query and a key that are turned so
    depends on how far apart they are alone. A pair is (xᵢ, xᵢ₊D/2), halves, as in GPT-NeoX and Llama;
    ``interleaved``: (x₂ᵢ, x₂ᵢ₊₁), as in the paper. ``positions`` (T,) or (..., T), default 0 .. T-1,
    broadcast to x without its last axis.

    Raises:
        ValueError: D is odd.

    Examples:
        >>> x = np.array([[1.0, 0.0], [1.0, 0.0]])  # at places 0 and 1
        >>> print(hg.rotary(x).round(4).tolist())  # turned by 0 and by 1 radian
        [[1.0, 0.0], [0.5403, 0.8415]]
    """
    T, D = shape(x)[-2:]
    t = xp.arange_like(x, T) if positions is None else beside(positions, x)
    omega = beside(frequencies(D, base), x)
    theta = xp.reshape(cast(t, like=omega), (*shape(t), 1)) * omega
    cos, sin = cast(xp.cos(theta), like=x), cast(xp.sin(theta), like=x)

    def turned(a, sin):
        one, two = (a[..., ::2], a[..., 1::2]) if interleaved else (a[..., : D // 2], a[..., D // 2 :])
        pair = [one * cos - two * sin, one * sin + two * cos]
        if interleaved:
            return xp.reshape(xp.stack(pair, axis=-1), shape(a))
        return xp.concat(pair, axis=-1)

    def backward(dout):
        return turned(dout, -sin), None

    return turned(x, sin), backward


@rule
def sinusoidal(positions, /, D, base=10000.0):
    """Positions as waves of falling frequency, out₂ᵢ = sin tωᵢ, out₂ᵢ₊₁ = cos tωᵢ with ωᵢ = base^(-2i / D).

    dt = Σ ωᵢ·(cos tωᵢ·dout₂ᵢ - sin tωᵢ·dout₂ᵢ₊₁)

    t (...) -> (..., D): ``sinusoidal(np.arange(T) * 1.0, 64)`` is added to embeddings (T, 64); of time steps
    that are no whole numbers it is what diffusion models take. t are floats.   Vaswani et al. 2017

    Raises:
        ValueError: D is odd.

    Examples:
        >>> print(hg.sinusoidal(np.array([0.0, 1.0]), D=2).round(4).tolist())  # sin and cos of the place
        [[0.0, 1.0], [0.8415, 0.5403]]
    """
    omega = cast(beside(frequencies(D, base), positions), like=positions)
    theta = xp.reshape(positions, (*shape(positions), 1)) * omega
    sin, cos = xp.sin(theta), xp.cos(theta)

    def backward(dout):
        d = xp.reshape(dout, (*shape(theta), 2))
        return xp.sum(omega * (cos * d[..., 0] - sin * d[..., 1]), axis=-1)

    return xp.reshape(xp.stack([sin, cos], axis=-1), (*shape(positions), D)), backward


@rule
def alibi(slopes, /, T, S=None):
    """Scores that fall with distance, a mask for attention: out = -m·|t - s|.   dm = -Σ |t - s|·dout

    m (H,) -> (H, T, S), S as T where it is not given. The paper has m = 2^(-8h / H) for heads h = 1 .. H,
    which is ``2 ** (-8 * np.arange(1, H + 1) / H)``, and adds a causal mask.   Press, Smith & Lewis 2022

    Examples:
        >>> print(hg.alibi(np.array([1.0]), T=2)[0] + 0.0)  # what is further away weighs less
        [[ 0. -1.]
         [-1.  0.]]
    """
    S = T if S is None else S
    places = xp.reshape(xp.arange_like(slopes, T), (T, 1)) - xp.arange_like(slopes, S)
    distances = cast(xp.abs(places), like=slopes)

    def backward(dout):
        return -xp.sum(distances * dout, axis=(-2, -1))

    return -xp.reshape(slopes, (*shape(slopes), 1, 1)) * distances, backward
