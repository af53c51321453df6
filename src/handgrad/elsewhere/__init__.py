"""Rules in the autodiff of others: as a function of PyTorch's autograd, or with a derivative for JAX's."""

from handgrad.elsewhere.by_jax import to_jax
from handgrad.elsewhere.by_torch import to_torch

__all__ = ["to_jax", "to_torch"]
