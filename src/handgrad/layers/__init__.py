"""Layers: rules that own parameters, and the notebook's layers."""

from handgrad.layers import initialisers
from handgrad.layers.attention import MultiHeadAttention
from handgrad.layers.augmentation import Noise, RandomFlip, RandomShift
from handgrad.layers.convolution import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
)
from handgrad.layers.embedding import Embedding
from handgrad.layers.layer import Layer
from handgrad.layers.normalisation import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, RMSNorm
from handgrad.layers.notebook import AddLayer, MulLayer, SoftmaxWithLoss, cross_entropy_error
from handgrad.layers.pooling import (
    AdaptiveAvgPool2d,
    AdaptiveMaxPool2d,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    GlobalAvgPool,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
    PixelShuffle,
    Upsample,
)
from handgrad.layers.recurrent import GRU, LSTM, RNN
from handgrad.layers.saving import load, save
from handgrad.layers.standard import (
    ACTIVATIONS,
    ELU,
    GELU,
    Affine,
    Dropout,
    Dropout2d,
    Flatten,
    LeakyReLU,
    ReLU,
    Sequential,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
    Unflatten,
    mlp,
)
from handgrad.layers.torch_names import load_torch_state, to_torch_state
from handgrad.layers.transformer import TransformerEncoder, TransformerEncoderLayer

__all__ = [
    "ACTIVATIONS", "ELU", "GELU", "GRU", "LSTM", "RNN", "AdaptiveAvgPool2d", "AdaptiveMaxPool2d",
    "AddLayer", "Affine", "AvgPool1d", "AvgPool2d", "AvgPool3d", "BatchNorm", "Conv1d", "Conv2d", "Conv3d",
    "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "Dropout", "Dropout2d", "Embedding", "Flatten",
    "GlobalAvgPool", "GroupNorm", "InstanceNorm", "Layer", "LayerNorm", "LeakyReLU", "MaxPool1d",
    "MaxPool2d", "MaxPool3d", "MulLayer", "MultiHeadAttention", "Noise", "PixelShuffle", "RMSNorm",
    "RandomFlip", "RandomShift", "ReLU",
    "Sequential", "SiLU", "Sigmoid", "SoftmaxWithLoss", "Softplus", "Tanh",
    "TransformerEncoder", "TransformerEncoderLayer", "Unflatten", "Upsample",
    "cross_entropy_error", "initialisers", "load", "load_torch_state", "mlp", "save",
    "to_torch_state",
]  # fmt: skip
