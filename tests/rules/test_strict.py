"""Every rule on array-api-strict, which has nothing that the Python array API standard has not."""

import array_api_strict as strict
import pytest

from .elsewhere import assert_same_as_numpy, cases_for

Array = type(strict.asarray(0.0))


@pytest.mark.parametrize("case", cases_for("strict"))
def test_strict_equals_numpy(case):
    assert_same_as_numpy(case, strict.asarray, Array)
