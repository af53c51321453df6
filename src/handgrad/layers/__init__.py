"""Layers: rules that own parameters, and the notebook's layers."""

from handgrad.layers import initialisers
from handgrad.layers.layer import Layer
from handgrad.layers.notebook import AddLayer, MulLayer, SoftmaxWithLoss, cross_entropy_error
from handgrad.layers.saving import load, save
from handgrad.layers.standard import (
    ACTIVATIONS,
    ELU,
    GELU,
    Affine,
    BatchNorm,
    Dropout,
    Flatten,
    LeakyReLU,
    ReLU,
    Sequential,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
    mlp,
)

__all__ = [
    "ACTIVATIONS", "ELU", "GELU", "AddLayer", "Affine", "BatchNorm", "Dropout", "Flatten", "Layer",
    "LeakyReLU", "MulLayer", "ReLU", "Sequential", "SiLU", "Sigmoid", "Softplus", "SoftmaxWithLoss",
    "Tanh", "cross_entropy_error", "initialisers", "load", "mlp", "save",
]  # fmt: skip
