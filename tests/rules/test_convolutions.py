"""What convolutions refuse, and what they are for more than one layout of their arguments."""

import numpy as np
import pytest

import handgrad as hg


@pytest.mark.parametrize(
    ("x", "W", "b", "options", "message"),
    [
        ((1, 2, 4, 4), (3, 2, 5, 2), (3,), {}, r"kernel of \(5, 2\), does not fit into \(4, 4\)"),
        ((1, 2, 4, 4), (3, 2, 3, 3), (3,), {"dilation": 2}, r"dilated to \(5, 5\), does not fit"),
        ((1, 2, 0, 4), (3, 2, 1, 1), (3,), {}, "does not fit into"),
        ((1, 2, 4, 4), (3, 1, 2, 2), (3,), {}, r"W \(3, 1, 2, 2\) in 1 groups does not fit x \(1, 2, 4, 4\)"),
        ((1, 3, 4, 4), (4, 1, 2, 2), (4,), {"groups": 3}, "groups divides both"),
        ((1, 2, 4, 4), (3, 2, 2), (3,), {}, "W has two axes of channels and 2 of the kernel"),
        ((4, 4), (3, 2, 2, 2), (3,), {}, "x has 2 spatial axes, and channels before them"),
        ((1, 2, 4, 4), (3, 2, 2, 2), (2,), {}, "b has a number for each of the 3 filters"),
        ((1, 2, 4, 4), (3, 2, 2, 2), None, {"stride": 0}, "stride is a number of at least 1, or 2 of them"),
        ((1, 2, 4, 4), (3, 2, 2, 2), None, {"stride": (1, 1, 1)}, "stride is a number"),
        ((1, 2, 4, 4), (3, 2, 2, 2), None, {"padding": -1}, "padding is a number"),
        ((1, 2, 4, 4), (3, 2, 2, 2), None, {"padding": "full"}, "'same' or 'valid', not 'full'"),
        ((1, 2, 4, 4), (3, 2, 2, 2), None, {"padding": "same", "stride": 2}, "is for a stride of 1"),
    ],
)
def test_what_does_not_fit_is_said(x, W, b, options, message):
    arrays = [None if shape is None else np.ones(shape) for shape in (x, W, b)]
    with pytest.raises(ValueError, match=message):
        hg.conv2d(*arrays, **options)


@pytest.mark.parametrize(
    ("x", "W", "options", "message"),
    [
        ((1, 2, 4), (3, 2, 2), {}, r"W is \(C, O / groups, ...\)"),
        ((1, 2, 4), (2, 2, 2), {"output_padding": 1}, r"the larger of stride \(1,\) and dilation \(1,\)"),
        ((1, 2, 1), (2, 2, 2), {"padding": 1}, r"nothing is left but \(0,\): pad less"),
    ],
)
def test_what_does_not_fit_a_transpose_is_said(x, W, options, message):
    with pytest.raises(ValueError, match=message):
        hg.conv_transpose1d(np.ones(x), np.ones(W), **options)


def test_b_may_be_left_out_and_given_by_name():
    r = np.random.default_rng(0)
    x, W, b = r.normal(size=(2, 3, 5, 5)), r.normal(size=(4, 3, 3, 3)), r.normal(size=4)
    plain = hg.conv2d(x, W, stride=2)
    np.testing.assert_array_equal(plain, hg.conv2d(x, W, None, 2))
    np.testing.assert_allclose(plain + b[:, None, None], hg.conv2d(x, W, b=b, stride=2), rtol=1e-14)
    out, backward = hg.conv2d.vjp(x, W)
    assert backward(out)[2] is None
    dW = hg.grad(lambda W: hg.sum(hg.conv2d(x, W) ** 2))(W)
    np.testing.assert_allclose(dW, 2 * hg.conv2d.vjp(x, W)[1](hg.conv2d(x, W))[1], rtol=1e-12)
    with pytest.raises(TypeError, match="conv2d needs W too"):
        hg.conv2d(x)


@pytest.mark.parametrize("seed", range(8))
def test_a_transpose_is_the_adjoint(seed):
    """⟨conv(x), y⟩ = ⟨x, conv_transpose(y)⟩"""
    r = np.random.default_rng(seed)
    stride, padding, dilation = (tuple(map(int, r.integers(low, 3, 2))) for low in (1, 0, 1))
    x, W = r.normal(size=(2, 4, *r.integers(5, 9, 2))), r.normal(size=(6, 2, *r.integers(1, 4, 2)))
    way = {"stride": stride, "padding": padding, "dilation": dilation, "groups": 2}
    out = hg.conv2d(x, W, **way)
    y = r.normal(size=out.shape)
    least = hg.conv_transpose2d(y, W, **way).shape
    more = tuple(a - b for a, b in zip(x.shape[2:], least[2:], strict=True))
    back = hg.conv_transpose2d(y, W, **way, output_padding=more)
    np.testing.assert_allclose(np.sum(out * y), np.sum(x * back), rtol=1e-12)
