"""Recurrent networks: ``torch.lstm`` and its kin, which ``nn.LSTM`` calls with all its weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handgrad import rules
from handgrad.arrays import shape
from handgrad.tape.torch_functions.layers import dropout

Weights = list[Any]
Layer = Callable[..., tuple]
"""From x (N, T, D), states (N, H), weights and whether it goes backward to all h, and the last states."""


def over_lstm(x: Any, state: list[Any], weights: Weights, reverse: bool) -> tuple:
    if len(weights) % 2:
        raise TypeError("PyTorch's lstm with proj_size has no rule: use one without a projection")
    W, U, *b = weights
    h, c = state
    return rules.lstm(x, h, c, W, U, one_bias(b, U), reverse=reverse)


def over_gru(x: Any, state: list[Any], weights: Weights, reverse: bool) -> tuple:
    W, U, *biases = weights
    b, d = biases or [no_bias(U)] * 2
    return rules.gru(x, state[0], W, U, b, d, reverse=reverse)


def over_rnn(nonlinearity: str) -> Layer:
    def layer(x: Any, state: list[Any], weights: Weights, reverse: bool) -> tuple:
        W, U, *b = weights
        return rules.rnn(x, state[0], W, U, one_bias(b, U), nonlinearity=nonlinearity, reverse=reverse)

    return layer


def one_bias(b: Weights, U: Any) -> Any:
    """The sum of both biases, which is what a step adds."""
    return b[0] + b[1] if b else no_bias(U)


def no_bias(U: Any) -> Any:
    return U.new_zeros(shape(U)[0])


def recurrent(layer: Layer) -> Callable:
    """Layers upon layers, each forward and perhaps backward through the sequence."""

    def function(
        input: Any,
        hx: Any,
        params: Any,
        has_biases: bool,
        num_layers: int,
        dropout_p: float,
        train: bool,
        bidirectional: bool,
        batch_first: Any = None,
    ) -> tuple:
        if batch_first is None:
            raise TypeError("packed sequences have no rule: give the padded array, or one sequence at a time")
        states = list(hx) if isinstance(hx, (list, tuple)) else [hx]
        each = len(params) // (num_layers * (1 + bidirectional))
        x = input if batch_first else input.transpose(0, 1)
        last: list[list[Any]] = []
        for k in range(num_layers):
            if k and train and dropout_p:
                x = dropout("dropout")(x.transpose(0, 1).contiguous(), dropout_p).transpose(0, 1)
            outs = []
            for reverse in (False, True)[: 1 + bidirectional]:
                i = len(last)
                own = params[i * each : (i + 1) * each]
                out, *after = layer(x, [state[i] for state in states], own, reverse)
                outs.append(out)
                last.append(after)
            x = rules.concatenate(outs, axis=-1) if bidirectional else outs[0]
        after = [rules.stack(list(arrays)) for arrays in zip(*last, strict=True)]
        return x if batch_first else x.transpose(0, 1), *after

    return function


def cell(layer: Layer) -> Callable:
    """One step: a sequence of one element."""

    def function(input: Any, hx: Any, *weights: Any) -> Any:
        states = list(hx) if isinstance(hx, (list, tuple)) else [hx]
        given = [w for w in weights if w is not None]
        _, *after = layer(input.unsqueeze(1), states, given, False)
        return tuple(after) if len(after) > 1 else after[0]

    return function


LAYERS: dict[str, Layer] = {
    "lstm": over_lstm,
    "gru": over_gru,
    "rnn_tanh": over_rnn("tanh"),
    "rnn_relu": over_rnn("relu"),
}
TABLE: dict[str, Callable] = {
    **{name: recurrent(layer) for name, layer in LAYERS.items()},
    **{f"{name}_cell": cell(layer) for name, layer in LAYERS.items()},
}
