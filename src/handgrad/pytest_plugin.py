"""The fixture ``assert_gradients``. Nothing heavy is imported before a test asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def assert_gradients() -> Callable[..., Any]:
    """``handgrad.testing.assert_gradients``: assert that a backward pass is right."""
    from handgrad.testing import assert_gradients

    return assert_gradients
