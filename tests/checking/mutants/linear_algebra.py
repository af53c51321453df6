"""Linear algebra: inverses, systems, determinants, factors, eigenvalues, singular values, powers."""

from __future__ import annotations

import numpy as np

from handgrad import rule
from tests.checking.mutants.corpus import correct, mutant

# Inputs.


def near_one(r):
    return (np.eye(4) + 0.4 * r.standard_normal((4, 4)),)


def system(r):
    return np.eye(4) + 0.4 * r.standard_normal((4, 4)), r.standard_normal((4, 3))


def positive_definite(r):
    A = r.standard_normal((4, 4))
    return (A @ A.T + 2 * np.eye(4),)


def triangular(r):
    return np.tril(r.standard_normal((4, 4))) + 3 * np.eye(4), r.standard_normal((4, 2))


def batch(r):
    return (np.eye(3) + 0.3 * r.standard_normal((2, 3, 3)),)


def tall(r):
    return (r.standard_normal((5, 3)),)


def symmetric(A):
    return (A + A.T) / 2


# The inverse.


@correct(near_one)
@rule
def inverse(A):
    """A⁻¹"""
    out = np.linalg.inv(A)

    def backward(dout):
        return -out.T @ dout @ out.T

    return out, backward


@mutant("transposed", near_one)
def inverse_not_transposed(A):
    out = np.linalg.inv(A)

    def backward(dout):
        return -out @ dout @ out

    return out, backward


@mutant("factor", near_one)
def inverse_without_its_sign(A):
    out = np.linalg.inv(A)

    def backward(dout):
        return out.T @ dout @ out.T

    return out, backward


@mutant("missing-path", near_one)
def inverse_from_one_side(A):
    out = np.linalg.inv(A)

    def backward(dout):
        return -out.T @ dout

    return out, backward


@mutant("wrong-array", near_one)
def inverse_of_the_input(A):
    out = np.linalg.inv(A)

    def backward(dout):
        return -A.T @ dout @ A.T

    return out, backward


@correct(batch)
def inverses(A):
    out = np.linalg.inv(A)

    def backward(dout):
        outT = np.swapaxes(out, -1, -2)
        return -outT @ dout @ outT

    return out, backward


@mutant(("wrong-axis", "flipped"), batch)
def inverses_all_axes_reversed(A):
    """.T of a stack turns the stack round too."""
    out = np.linalg.inv(A)

    def backward(dout):
        outT = np.stack([out[1 - i].T for i in range(2)])
        return -outT @ dout @ outT

    return out, backward


# Systems.


@correct(system)
@rule
def solution(A, b):
    """A⁻¹ b"""
    x = np.linalg.solve(A, b)

    def backward(dout):
        db = np.linalg.solve(A.T, dout)
        return -db @ x.T, db

    return x, backward


@mutant("transposed", system)
def solution_by_the_same_matrix(A, b):
    x = np.linalg.solve(A, b)

    def backward(dout):
        db = np.linalg.solve(A, dout)
        return -db @ x.T, db

    return x, backward


@mutant("factor", system)
def solution_without_its_sign(A, b):
    x = np.linalg.solve(A, b)

    def backward(dout):
        db = np.linalg.solve(A.T, dout)
        return db @ x.T, db

    return x, backward


@mutant("wrong-array", system)
def solution_with_b_for_x(A, b):
    x = np.linalg.solve(A, b)

    def backward(dout):
        db = np.linalg.solve(A.T, dout)
        return -db @ b.T, db

    return x, backward


@mutant("wrong-array", system)
def solution_with_dout_for_db(A, b):
    x = np.linalg.solve(A, b)

    def backward(dout):
        return -dout @ x.T, np.linalg.solve(A.T, dout)

    return x, backward


@mutant("missing-gradient", system)
def solution_of_a_constant_matrix(A, b):
    x = np.linalg.solve(A, b)

    def backward(dout):
        return np.zeros_like(A), np.linalg.solve(A.T, dout)

    return x, backward


@correct(triangular)
def lower_solution(L, b):
    x = np.linalg.solve(np.tril(L), b)

    def backward(dout):
        db = np.linalg.solve(np.tril(L).T, dout)
        return -np.tril(db @ x.T), db

    return x, backward


@mutant("mask", triangular)
def lower_solution_of_all_elements(L, b):
    x = np.linalg.solve(np.tril(L), b)

    def backward(dout):
        db = np.linalg.solve(np.tril(L).T, dout)
        return -db @ x.T, db

    return x, backward


@mutant("mask", triangular)
def lower_solution_above_the_diagonal(L, b):
    x = np.linalg.solve(np.tril(L), b)

    def backward(dout):
        db = np.linalg.solve(np.tril(L).T, dout)
        return -np.triu(db @ x.T), db

    return x, backward


@mutant(("mask", "off-by-one"), triangular)
def lower_solution_without_the_diagonal(L, b):
    x = np.linalg.solve(np.tril(L), b)

    def backward(dout):
        db = np.linalg.solve(np.tril(L).T, dout)
        return -np.tril(db @ x.T, -1), db

    return x, backward


# Determinants.


@correct(near_one)
def determinant(A):
    out = np.linalg.det(A)

    def backward(dout):
        return dout * out * np.linalg.inv(A).T

    return out, backward


@mutant("transposed", near_one)
def determinant_by_the_inverse(A):
    out = np.linalg.det(A)

    def backward(dout):
        return dout * out * np.linalg.inv(A)

    return out, backward


@mutant(("local-derivative", "factor"), near_one)
def determinant_as_its_logarithm(A):
    out = np.linalg.det(A)

    def backward(dout):
        return dout * np.linalg.inv(A).T

    return out, backward


@correct(positive_definite)
def log_determinant(A):
    def backward(dout):
        return dout * np.linalg.inv(A).T

    return np.linalg.slogdet(A)[1], backward


@mutant("upstream-ignored", positive_definite)
def log_determinant_last_in_the_network(A):
    def backward(dout):
        return np.linalg.inv(A).T

    return np.linalg.slogdet(A)[1], backward


@mutant("factor", positive_definite)
def log_determinant_of_the_factor(A):
    """log det A = 2 Σ log Lᵢᵢ, of which the 2 is forgotten."""

    def backward(dout):
        return dout * np.linalg.inv(A).T / 2

    return 2 * np.sum(np.log(np.diag(factor(A)))), backward


# Cholesky's factor, of the symmetric part of what comes in.


def factor(A):
    return np.linalg.cholesky(symmetric(A))


def half_lower(X):
    return np.tril(X) - np.diag(np.diag(X)) / 2


@correct(positive_definite)
def cholesky(A):
    L = factor(A)

    def backward(dout):
        S = half_lower(L.T @ np.tril(dout))
        iL = np.linalg.inv(L)
        return symmetric(iL.T @ S @ iL)

    return L, backward


@mutant("factor", positive_definite)
def cholesky_with_a_whole_diagonal(A):
    L = factor(A)

    def backward(dout):
        iL = np.linalg.inv(L)
        return symmetric(iL.T @ np.tril(L.T @ np.tril(dout)) @ iL)

    return L, backward


@mutant("transposed", positive_definite)
def cholesky_by_the_factor_itself(A):
    L = factor(A)

    def backward(dout):
        S = half_lower(L @ np.tril(dout))
        iL = np.linalg.inv(L)
        return symmetric(iL.T @ S @ iL)

    return L, backward


@mutant(("transposed", "wrong-array"), positive_definite)
def cholesky_between_the_wrong_inverses(A):
    L = factor(A)

    def backward(dout):
        S = half_lower(L.T @ np.tril(dout))
        iL = np.linalg.inv(L)
        return symmetric(iL @ S @ iL.T)

    return L, backward


@mutant("factor", positive_definite)
def cholesky_added_to_its_transpose(A):
    L = factor(A)

    def backward(dout):
        S = half_lower(L.T @ np.tril(dout))
        iL = np.linalg.inv(L)
        dA = iL.T @ S @ iL
        return dA + dA.T  # / 2

    return L, backward


# Eigenvalues and singular values.


@correct(positive_definite)
def eigenvalues(A):
    w, V = np.linalg.eigh(symmetric(A))

    def backward(dout):
        return (V * dout) @ V.T

    return w, backward


@mutant("transposed", positive_definite)
def eigenvalues_by_rows(A):
    w, V = np.linalg.eigh(symmetric(A))

    def backward(dout):
        return (V.T * dout) @ V

    return w, backward


@mutant("upstream-ignored", positive_definite)
def eigenvalues_all_alike(A):
    w, V = np.linalg.eigh(symmetric(A))

    def backward(dout):
        return V @ V.T * np.sum(dout) / len(w)

    return w, backward


@mutant("local-derivative", positive_definite)
def eigenvalues_scaled_by_themselves(A):
    w, V = np.linalg.eigh(symmetric(A))

    def backward(dout):
        return (V * (w * dout)) @ V.T

    return w, backward


@correct(tall)
def singular_values(A):
    U, s, Vt = np.linalg.svd(A, full_matrices=False)

    def backward(dout):
        return (U * dout) @ Vt

    return s, backward


@mutant("flipped", tall)
def singular_values_the_other_way_round(A):
    U, s, Vt = np.linalg.svd(A, full_matrices=False)

    def backward(dout):
        return (U * dout[::-1]) @ Vt

    return s, backward


@mutant("off-by-one", tall)
def singular_values_but_the_last(A):
    U, s, Vt = np.linalg.svd(A, full_matrices=False)

    def backward(dout):
        return (U[:, :-1] * dout[:-1]) @ Vt[:-1]

    return s, backward


# Powers and norms.


@correct(near_one)
def cubed(A):
    A2 = A @ A

    def backward(dout):
        return dout @ A2.T + A.T @ dout @ A.T + A2.T @ dout

    return A2 @ A, backward


@mutant("missing-path", near_one)
def cubed_without_the_middle(A):
    A2 = A @ A

    def backward(dout):
        return dout @ A2.T + A2.T @ dout

    return A2 @ A, backward


@mutant(("local-derivative", "wrong-array"), near_one)
def cubed_as_a_number_is(A):
    A2 = A @ A

    def backward(dout):
        return 3 * A2.T @ dout

    return A2 @ A, backward


@correct(tall)
def frobenius(A):
    out = np.linalg.norm(A)

    def backward(dout):
        return dout * A / out

    return out, backward


@mutant(("local-derivative", "factor"), tall)
def frobenius_squared(A):
    out = np.linalg.norm(A)

    def backward(dout):
        return dout * 2 * A

    return out, backward


@mutant("diagonal", near_one)
def trace_of_a_square(A):
    """The gradient of tr(A²) = Σ A·Aᵀ is 2 Aᵀ, not that of its diagonal."""

    def backward(dout):
        return 2 * dout * np.diag(np.diag(A))

    return np.trace(A @ A), backward
