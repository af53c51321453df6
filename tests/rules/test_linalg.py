"""Linear algebra where it is not smooth, or hard: ties, singular matrices, extremes, errors."""

import itertools

import numpy as np
import pytest

import handgrad as hg

from .numerics import assert_close

rng = np.random.default_rng(0)


def rotation(n, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n))).Q


def cofactors(x):
    """By minors, which are right of any matrix."""
    n = len(x)
    made = np.zeros((n, n))
    for i, j in itertools.product(range(n), range(n)):
        minor = np.delete(np.delete(x, i, 0), j, 1)
        made[i, j] = (-1) ** (i + j) * np.linalg.det(minor)
    return made


@pytest.mark.parametrize("rank", [0, 1, 2, 3, 4])
def test_the_gradient_of_a_determinant_is_right_of_any_rank(rank):
    x = rotation(4) @ np.diag([1.0, 2.0, 3.0, 4.0] * (np.arange(4) < rank)) @ rotation(4, 1)
    np.testing.assert_allclose(hg.grad(hg.det)(x), cofactors(x), atol=1e-13)


def test_second_derivatives_of_a_determinant_are_refused_where_it_is_singular():
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        hg.hessian(hg.det)(np.diag([1.0, 0.0]))
    hessian = hg.hessian(hg.det)(np.eye(2))
    assert hessian[0, 0, 1, 1] == pytest.approx(1)
    assert hessian[0, 1, 1, 0] == pytest.approx(-1)


def test_losses_of_equal_eigenvalues_alone_are_smooth_if_they_treat_them_equally():
    x = rotation(4) @ np.diag([2.0, 2.0, 2.0, 5.0]) @ rotation(4).T
    np.testing.assert_allclose(
        hg.grad(lambda x: hg.sum(hg.eigh(x)[0] ** 3))(np.eye(3)), 3 * np.eye(3), atol=1e-14
    )
    got = hg.grad(lambda x: hg.sum(hg.eigh(x)[0] ** 3))(x)
    np.testing.assert_allclose(got, 3 * x @ x, atol=1e-12)


def test_eigenvectors_of_equal_eigenvalues_have_no_derivative():
    weight = rng.normal(size=(3, 3))
    with np.errstate(all="ignore"):
        dx = hg.grad(lambda x: hg.sum(hg.eigh(x)[1] * weight))(np.eye(3))
    assert not np.isfinite(dx).any()


def test_singular_values_alone_at_ties_and_zeros():
    for x in (np.eye(3), np.zeros((3, 2)), np.diag([2.0, 2.0, 0.0]), np.ones((2, 4))):
        dx = hg.grad(lambda x: hg.sum(hg.svd(x)[1] ** 2))(x)
        np.testing.assert_allclose(dx, 2 * x, atol=1e-13)


def test_singular_vectors_at_ties_and_of_zeros_have_no_derivative():
    weight = rng.normal(size=(3, 2))
    with np.errstate(all="ignore"):
        dx = hg.grad(lambda x: hg.sum(hg.svd(x)[0] * weight))(np.eye(3)[:, :2])
        assert not np.isfinite(dx).all()
        dx = hg.grad(lambda x: hg.sum(hg.svd(x)[0] * weight))(np.diag([2.0, 0.0, 0.0])[:, :2])
        assert not np.isfinite(dx).all()


def test_qr_of_dependent_columns_has_no_derivative():
    with np.errstate(all="ignore"):
        dx = hg.grad(lambda x: hg.sum(hg.qr(x)[0]))(np.array([[1.0, 0.0], [0.0, 0.0], [1.0, 0.0]]))
    assert not np.isfinite(dx).all()


@pytest.mark.parametrize("shape", [(2, 2), (3, 3), (3, 5)])
def test_qr_has_a_derivative_where_only_the_last_column_of_a_square_depends_on_others(shape):
    M = shape[0]
    x = rng.normal(size=shape)
    x[:, M - 1] = 2 * x[:, 0]
    weights = rng.normal(size=(M, M)), rng.normal(size=shape)

    def f(x):
        return sum(hg.sum(w * out) for w, out in zip(weights, hg.qr(x), strict=True))

    v, h = rng.normal(size=shape), 1e-6
    assert_close(np.sum(hg.grad(f)(x) * v), (f(x + h * v) - f(x - h * v)) / (2 * h), 1e-8)


def test_cholesky_and_eigh_take_the_symmetric_part():
    x = np.array([[2.0, 5.0], [-4.0, 3.0]])
    for rule in (hg.cholesky, hg.eigh):
        assert_close(rule(x), rule((x + x.T) / 2), 0)
    dx = hg.grad(lambda x: hg.sum(hg.cholesky(x)))(x)
    np.testing.assert_array_equal(dx, dx.T)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_extreme_but_finite_matrices(scale):
    x, b = (rng.normal(size=(3, 3)) + 3 * np.eye(3)) * scale, rng.normal(size=3)
    dA, db = hg.grad(lambda A, b: hg.sum(hg.solve(A, b)), argnums=(0, 1))(x, b)
    same, dsame = hg.grad(lambda A, b: hg.sum(hg.solve(A, b)), argnums=(0, 1))(x / scale, b)
    np.testing.assert_allclose(dA * scale * scale, same, rtol=1e-12)
    np.testing.assert_allclose(db * scale, dsame, rtol=1e-12)
    np.testing.assert_allclose(
        hg.grad(lambda x: hg.slogdet(x)[1])(x) * scale, np.linalg.inv(x / scale).T, rtol=1e-12
    )
    gram = x @ x.T / scale
    np.testing.assert_allclose(
        hg.grad(lambda x: hg.sum(hg.cholesky(x)))(gram) * np.sqrt(scale),
        hg.grad(lambda x: hg.sum(hg.cholesky(x)))(gram / scale),
        rtol=1e-11,
    )
    np.testing.assert_allclose(
        hg.grad(lambda x: hg.sum(hg.svd(x)[1]))(x),
        hg.grad(lambda x: hg.sum(hg.svd(x)[1]))(x / scale),
        rtol=1e-11,
    )
    pinv = hg.grad(lambda x: hg.sum(hg.pinv(x)))
    np.testing.assert_allclose(pinv(x) * scale * scale, pinv(x / scale), rtol=1e-11)


def test_substitution_keeps_what_elimination_would_lose():
    """Rows of very different sizes: each number of the solution is right to its last digits."""
    n = 40
    L = np.tril(rng.normal(size=(n, n)), -1) + np.diag(1.0 + rng.random(n))
    L *= 10.0 ** rng.integers(-80, 80, size=(n, 1))
    x = rng.normal(size=n)
    b = L @ x
    np.testing.assert_allclose(L @ hg.solve_triangular(L, b, lower=True), b, rtol=1e-9)


def test_the_other_triangle_is_not_read():
    A = np.array([[2.0, np.nan], [1.0, 4.0]])
    out, backward = hg.solve_triangular.vjp(A, np.array([2.0, 9.0]), lower=True)
    np.testing.assert_array_equal(out, [1.0, 2.0])
    dA, db = backward(np.ones(2))
    assert dA[0, 1] == 0
    assert np.isfinite(dA).all()
    assert np.isfinite(db).all()


@pytest.mark.parametrize(("m", "n"), [(5, 3), (3, 5), (4, 4)])
def test_least_squares_of_full_rank_solve_the_normal_equations(m, n):
    A, b = rng.normal(size=(m, n)), rng.normal(size=m)
    np.testing.assert_allclose(hg.lstsq(A, b), np.linalg.lstsq(A, b)[0], rtol=1e-10)


def test_pinv_and_lstsq_at_lower_rank_along_directions_that_keep_it():
    """A(t) of rank 2 all along: the gradient is that of differences there."""
    L, R, dL, dR = (
        rng.normal(size=(5, 2)),
        rng.normal(size=(2, 4)),
        rng.normal(size=(5, 2)),
        rng.normal(size=(2, 4)),
    )
    b, weight, long = rng.normal(size=5), rng.normal(size=(4, 5)), rng.normal(size=4)

    def A(t):
        return (L + t * dL) @ (R + t * dR)

    for f in (
        lambda x: hg.sum(hg.pinv(x, rtol=1e-10) * weight),
        lambda x: hg.sum(hg.lstsq(x, b, rtol=1e-10) * long),
    ):
        h = 1e-5
        wanted = (f(A(h)) - f(A(-h))) / (2 * h)
        got = np.sum(hg.grad(f)(A(0.0)) * (dL @ R + L @ dR))
        np.testing.assert_allclose(got, wanted, rtol=1e-7)


def test_numbers_of_16_bits():
    x = (np.eye(3) * 2 + 0.1).astype(np.float16)
    for rule in (hg.inv, hg.det, hg.expm, hg.cholesky):
        out, backward = rule.vjp(x)
        wanted = rule(x.astype(np.float32))
        assert out.dtype == np.float16
        np.testing.assert_allclose(out, wanted, rtol=2e-3)
        assert backward(np.ones_like(out))[0].dtype == np.float16


ERRORS = [
    (hg.inv, (np.ones((2, 3)),), r"inv is of square matrices .* got an array of \(2, 3\)"),
    (hg.det, (np.ones(3),), r"det is of square matrices"),
    (hg.cholesky, (np.ones((3, 2)),), "cholesky is of square"),
    (hg.solve, (np.eye(3), np.ones(2)), r"takes b of 3 rows, not of shape \(2,\)"),
    (hg.solve, (np.eye(3), 2.0), r"takes b of 3 rows, not of shape \(\)"),
    (hg.lstsq, (np.ones((3, 2)), np.ones(2)), "takes b of 3 rows"),
    (hg.qr, (np.ones(3),), "qr is of matrices"),
    (hg.svd, (np.ones(3),), "svd is of matrices"),
    (hg.pinv, (np.ones(3),), "pinv is of matrices"),
]


@pytest.mark.parametrize(("rule", "inputs", "said"), ERRORS, ids=lambda value: getattr(value, "name", ""))
def test_shapes_that_do_not_fit(rule, inputs, said):
    with pytest.raises(ValueError, match=said):
        rule(*inputs)


def test_matrices_that_have_no_inverse_or_factor():
    for call in (
        lambda: hg.inv(np.ones((2, 2))),
        lambda: hg.solve(np.ones((2, 2)), np.ones(2)),
        lambda: hg.cholesky(-np.eye(2)),
        lambda: hg.matrix_power(np.zeros((2, 2)), -1),
        lambda: hg.grad(lambda x: hg.slogdet(x)[1])(np.zeros((2, 2))),
    ):
        with pytest.raises(np.linalg.LinAlgError, match=r"Singular|positive definite"):
            call()
    with pytest.raises(ValueError, match=r"a whole power, not to 0\.5"):
        hg.matrix_power(np.eye(2), 0.5)


@pytest.mark.parametrize("rule", [hg.svd, hg.pinv, hg.adjugate], ids=lambda rule: rule.name)
@pytest.mark.parametrize("number", [np.inf, -np.inf, np.nan])
def test_a_matrix_that_is_not_finite_is_refused(rule, number):
    """LAPACK did not come back from this one."""
    x = np.array([[0.5, 1e20, 1e200], [number, -1e-150, -1], [np.inf, -5e-324, -2.2e-308]])
    with pytest.raises(np.linalg.LinAlgError, match="not finite"):
        rule(x)
