"""The hosts block: ours between its markers, and everything else byte for byte as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localized.hosts import BEGIN, END, BlockDamaged, apply, cloud_init_rewrites, with_block

BLOCK = b"192.0.2.21 domino-local\n"
OURS = BEGIN + b"\n" + BLOCK + END + b"\n"
OTHER = st.lists(
    st.sampled_from([b"127.0.0.1 localhost", b"# a comment", b"", b"\xff\xfe", b"\r", b" x \x0b", b"\x85y"])
)


@given(OTHER, OTHER, st.sampled_from([b"", b"\n"]))
def test_everything_else_stays_as_it_is(before: list[bytes], after: list[bytes], end: bytes) -> None:
    head = b"".join(line + b"\n" for line in before)
    tail = b"\n".join(after) + end
    old = BEGIN + b"\n192.0.2.99 old\n" + END + b"\n"
    assert with_block(head + old + tail, BLOCK) == head + OURS + tail
    assert with_block(head + old + tail, b"") == head + tail


@given(st.binary(max_size=80).filter(lambda data: BEGIN not in data and END not in data))
def test_it_is_added_once_at_the_end_and_removed_again(content: bytes) -> None:
    once = with_block(content, BLOCK)
    assert once.startswith(content)
    assert once.endswith(OURS)
    assert with_block(once, BLOCK) == once
    assert with_block(once, b"").removesuffix(b"\n") == content.removesuffix(b"\n")


@pytest.mark.parametrize(
    "content",
    [BEGIN + b"\nx\n", b"x\n" + END + b"\n", END + b"\n" + BEGIN + b"\n", OURS + OURS],
)
def test_damaged_markers_are_refused(content: bytes) -> None:
    with pytest.raises(BlockDamaged, match="Remove the markers"):
        with_block(content, BLOCK)


def test_a_file_is_replaced_with_its_rights_kept(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_bytes(b"127.0.0.1 localhost")
    path.chmod(0o640)
    assert apply(path, BLOCK)
    assert path.read_bytes() == b"127.0.0.1 localhost\n" + OURS
    assert path.stat().st_mode & 0o777 == 0o640
    inode = path.stat().st_ino
    assert not apply(path, BLOCK)
    assert path.stat().st_ino == inode
    assert os.listdir(tmp_path) == ["hosts"]


@pytest.mark.parametrize(
    ("cfg", "later", "noticed"),
    [
        ("manage_etc_hosts: true\n", "", True),
        ("manage_etc_hosts: localhost\n", "", True),
        ("manage_etc_hosts: false\n", "", False),
        ("# manage_etc_hosts: true\n", "", False),
        ("manage_etc_hosts: true\n", "manage_etc_hosts: false\n", False),
    ],
)
def test_cloud_inits_own_hosts_file_is_noticed(tmp_path: Path, cfg: str, later: str, noticed: bool) -> None:
    (tmp_path / "cloud.cfg.d").mkdir()
    (tmp_path / "cloud.cfg").write_text(cfg)
    (tmp_path / "cloud.cfg.d" / "99.cfg").write_text(later)
    assert (cloud_init_rewrites(tmp_path) is not None) is noticed
