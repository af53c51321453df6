"""NumPy code as people write it: its gradient is that of differences, or it is refused as is promised."""

import re

import pytest

from .snippets import SNIPPETS, is_right


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning", "ignore:the matrix subclass")
@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: snippet.name)
def test_snippet(snippet):
    if snippet.refusal:
        with pytest.raises(TypeError, match=re.escape(snippet.refusal)):
            snippet.gradients()
        return
    got, wanted = snippet.gradients()
    assert all(dx.shape == slope.shape for dx, slope in zip(got, wanted, strict=True))
    assert is_right(got, wanted), (got, wanted)


def test_most_snippets_are_right():
    refused = sum(bool(snippet.refusal) for snippet in SNIPPETS)
    assert len(SNIPPETS) == 326
    assert len(SNIPPETS) - refused >= 270
