"""A file that somebody else may have written is read whole, or refused at once."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from host.file_reading import from_json, read_file, read_json


def test_a_file_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 200_000)
    assert read_file(path) == b"x" * 200_000
    assert read_file(path, 200_000) == b"x" * 200_000


def test_a_file_that_is_longer_than_expected_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 11)
    with pytest.raises(OSError, match="longer than 10 bytes") as refused:
        read_file(path, 10)
    assert refused.value.errno == errno.EFBIG


def test_a_fifo_is_not_waited_for_and_a_directory_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="not a regular file") as refused:
        read_file(tmp_path / "fifo")
    assert refused.value.errno == errno.EINVAL
    with pytest.raises(IsADirectoryError):
        read_file(tmp_path)
    with pytest.raises(OSError, match="not a regular file"):
        read_file(Path("/dev/zero"))


def test_json_is_read_and_what_nests_too_deep_is_a_value_error(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"a": [1]}')
    assert read_json(path) == {"a": [1]}
    for text in ("[" * 1_000_000, "{", b"\xff"):
        with pytest.raises(ValueError, match=r"."):
            from_json(text)
