"""Random compositions of rules; many more of them by ``make fuzz N=20000``."""

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tests.engine import fuzz
from tests.engine.random_programs import random_program
from tests.engine.support import assert_means, compiled


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.data(), st.integers(1, 30), st.sampled_from([1, 2, 3]))
def test_random_programs_mean_what_they_mean_on_numpy(data, length, threads):
    program, args = random_program(lambda choices: data.draw(st.sampled_from(choices)), length)
    assert_means(compiled(program, threads), args)


@pytest.mark.parametrize("number", range(120))
def test_numbered_programs(number):
    assert fuzz.failure(number) is None


def test_all_kinds_of_steps_are_drawn():
    """So that a name that is misspelt, or a kind that always gives up, is seen."""
    names = set()
    for number in range(200):
        program, *_ = fuzz.program_of(number)
        names |= {operation.name for operation in program.operations}
    assert names.issuperset(
        """
        add matmul sum prod max min where take take_along_axis scatter_add getitem concat stack flip reshape
        permute_dims broadcast_to exp log tanh erf erfc power maximum minimum sqrt sin tan asin astype
        """.split()
    )
