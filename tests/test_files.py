"""Files are whole, have the modes that their user asked for, and say their own names in errors."""

import os
import stat
from pathlib import Path

import pytest

from handgrad.files import read_json, read_jsonl, remove_parts, write_atomically


@pytest.fixture(params=[0o022, 0o002, 0o077])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_has_the_mode_that_the_umask_leaves(tmp_path, umask):
    write_atomically(tmp_path / "a", "one")
    assert mode(tmp_path / "a") == 0o666 & ~umask


def test_a_replaced_file_keeps_its_mode(tmp_path, umask):
    file = tmp_path / "a"
    file.write_text("one")
    file.chmod(0o640)
    write_atomically(file, "two")
    assert (file.read_text(), mode(file)) == ("two", 0o640)


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_atomically(tmp_path / "link", "one")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "one"


def test_what_is_no_file_is_written_to():
    write_atomically(Path("/dev/null"), "one")
    assert not os.path.isfile("/dev/null")


def test_an_error_names_the_file_that_was_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        write_atomically(tmp_path / "nowhere" / "p.csv", "one")
    assert caught.value.filename == str(tmp_path / "nowhere" / "p.csv")


def test_a_full_disk_is_said_with_the_file_and_leaves_the_old_one(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("old")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        write_atomically(tmp_path / "a", "new")
    assert caught.value.filename == str(tmp_path / "a")
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"a": "old"}


def test_only_parts_of_these_files_are_removed(tmp_path):
    for name in (".config.json.0a1b2c3d.part", ".movie.0a1b2c3d.part", "config.json"):
        (tmp_path / name).write_text("")
    remove_parts(tmp_path, "config.json")
    assert sorted(file.name for file in tmp_path.iterdir()) == [".movie.0a1b2c3d.part", "config.json"]


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[" * 100_000])
def test_damaged_json_is_named(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.json is not JSON"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"epoch": 1}\nrubbish\n', r"line 2 of .*metrics\.jsonl is not JSON"),
        (b"[1]\n", r"line 1 of .*metrics\.jsonl is list"),
        (b"\xff\n", r"metrics\.jsonl is not UTF-8"),
    ],
)
def test_a_damaged_line_is_named(tmp_path, content, says):
    (tmp_path / "metrics.jsonl").write_bytes(content)
    with pytest.raises(ValueError, match=says):
        read_jsonl(tmp_path / "metrics.jsonl")


def test_a_last_line_that_was_cut_off_is_left_out(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"epoch": 1}\n{"epo')
    assert read_jsonl(tmp_path / "metrics.jsonl") == [{"epoch": 1}]
    assert read_jsonl(tmp_path / "none.jsonl") == []
