"""ONNX's own node tests, run on handgrad's rules: values as expected, gradients as differences have them."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx")

from tests.peers.onnx_nodes.running import cases, gradient_told, tell

LEAST = 1315
OTHERWISE = {
    **dict.fromkeys(
        """
        test_attention_3d_causal_bf16 test_attention_4d_causal_bf16 test_attention_4d_padded_kv_bf16
        test_attention_4d_causal_padded_kv_bf16 test_attention_4d_attn_mask_causal_bf16
        test_linear_attention_fp16
        """.split(),
        "each step is rounded to 16 bits there; here they are computed in float32",
    ),
    "test_cast_e8m0_FLOAT_to_FLOAT8E8M0": "ml_dtypes rounds to the nearest power, not up",
    "test_cast_e8m0_FLOAT16_to_FLOAT8E8M0": "ml_dtypes rounds to the nearest power, not up",
}
AT_A_KINK = {"test_l2normalization_axis_0": "a vector of length 0"}


@pytest.mark.filterwarnings("ignore")
def test_the_nodes_give_what_they_should():
    told = [tell(case) for case in cases() if "_expanded" not in case.name]
    assert {
        one.name: one.why for one in told if one.is_mapped and one.why and one.name not in OTHERWISE
    } == {}
    assert sum(not one.why for one in told) >= LEAST


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_their_gradients_are_right():
    plain = [case for case in cases() if "_expanded" not in case.name]
    told = {case.name: gradient_told(case) for case in plain if not tell(case).why}
    wrong = {name: why for name, why in told.items() if why.startswith("wrong") and name not in AT_A_KINK}
    assert wrong == {}
    assert sum(why == "right" for why in told.values()) >= 841
