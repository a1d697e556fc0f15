"""The hosts block: ours between its markers, and everything else byte for byte as it was."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localized.activation.hosts_file import (
    BEGIN,
    END,
    BlockDamaged,
    Written,
    apply,
    cloud_init_rewrites,
    troubles,
    with_block,
)
from localized.errors import NotWritable

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
    assert apply(path, BLOCK) is Written.REPLACED
    assert path.read_bytes() == b"127.0.0.1 localhost\n" + OURS
    assert path.stat().st_mode & 0o777 == 0o640
    inode = path.stat().st_ino
    assert apply(path, BLOCK) is Written.UNCHANGED
    assert path.stat().st_ino == inode
    assert os.listdir(tmp_path) == ["hosts"]


@pytest.mark.parametrize(
    ("cfg", "later", "noticed"),
    [
        ("manage_etc_hosts: true\n", "", True),
        ("manage_etc_hosts: localhost\n", "", False),  # it keeps the line of the machine's own name, no more
        ("manage_etc_hosts: template\n", "", True),
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


def told(path: Path, content: bytes, cloud: Mapping[str, str] = {}, block: bytes = BLOCK) -> list[str]:
    """What is told of a hosts file, with cloud-init's files as given."""
    path.write_bytes(content)
    root = path.parent / "cloud"
    (root / "cloud.cfg.d").mkdir(parents=True, exist_ok=True)
    for name, text in cloud.items():
        (path.parent / "merged.json" if name == "merged" else root / name.replace("_", ".")).write_text(text)
    return troubles(path, block, cloud=root, merged=path.parent / "merged.json")


OLDER = b"127.0.0.1\tlocalhost\n10.9.9.9\tdomino-local domino\t# put here by hand in 2019\n::1\tlocalhost\n"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (OLDER, 2),
        (OLDER + OURS, 2),
        (OURS + b"10.9.9.9 DOMINO-local\n", 4),  # names are the same in any case (RFC 4343)
        (b"10.9.9.9 domino-local\r\n", 1),
        (b"2001:db8::9 domino-local\n", 1),
        (b"# 10.9.9.9 domino-local\n10.9.9.9 x # domino-local\n", 0),
        (b"10.9.9.9 domino-local-2 xdomino-local\n", 0),
        (b"192.0.2.21 domino-local\n" + OURS, 0),  # the same address twice is harmless
        (b"\xff\xfe domino-local\n\x00\n", 1),
        (OURS, 0),
    ],
)
def test_an_older_line_with_another_address_is_told_with_its_number(tmp_path: Path, content: bytes, line: int) -> None:
    said = told(tmp_path / "hosts", content)
    assert len(said) == (1 if line else 0)
    if line:
        assert f"hosts line {line} gives domino-local the address" in said[0]
        assert "our block says 192.0.2.21" in said[0]


def test_two_spellings_of_one_address_are_one(tmp_path: Path) -> None:
    assert told(tmp_path / "hosts", b"2001:DB8:0::9 domino-local\n", block=b"2001:db8::9 domino-local\n") == []


def test_an_older_line_cannot_command_a_terminal(tmp_path: Path) -> None:
    (said,) = told(tmp_path / "hosts", b"\x1b[2J\x1b domino-local\n")
    assert said.isprintable()


USER_DATA = (
    b"# Your system has configured 'manage_etc_hosts' as True.\n"
    b"# As a result, if you wish for changes to this file to persist\n"
    b"# then edit the template or the cloud-config from user-data\n127.0.1.1 boston boston\n"
)
WSL = b"# This file was automatically generated by WSL. To stop automatic generation of this file, add ...\n"
KUBERNETES = b"# Kubernetes-managed hosts file.\n127.0.0.1 localhost\n"


@pytest.mark.parametrize(
    ("content", "cloud", "who"),
    [
        (USER_DATA, {}, "cloud-init rewrites"),
        (USER_DATA, {"cloud_cfg": "manage_etc_hosts: false\n"}, "cloud-init rewrites"),  # user-data goes before it
        (USER_DATA, {"merged": '{"manage_etc_hosts": true}'}, "cloud-init rewrites"),
        (USER_DATA, {"merged": '{"manage_etc_hosts": false}'}, ""),  # the image's own header, turned off since
        (USER_DATA, {"merged": "{}"}, ""),
        (USER_DATA, {"merged": "[" * 5000}, "cloud-init rewrites"),
        (USER_DATA, {"cloud-init_disabled": ""}, ""),
        (USER_DATA.replace(b"True", b"localhost"), {}, ""),
        (b"", {"cloud_cfg": "manage_etc_hosts: true\n"}, "manage_etc_hosts in"),
        (b"", {"cloud_cfg": "manage_etc_hosts: localhost\n"}, ""),
        (b"", {"merged": '{"manage_etc_hosts": "localhost"}'}, ""),
        (b"", {"merged": '{"manage_etc_hosts": "template"}'}, "cloud-init rewrites"),
        (b"\n" * 40 + USER_DATA, {}, ""),
        (WSL, {}, "WSL writes anew"),
        (KUBERNETES, {}, "hostAliases"),
        (b"127.0.0.1 localhost\n", {}, ""),
    ],
)
def test_whoever_would_drop_our_block_is_named(tmp_path: Path, content: bytes, cloud: dict[str, str], who: str) -> None:
    said = told(tmp_path / "hosts", content, cloud)
    assert bool(said) is bool(who)
    assert who in "".join(said)


def test_without_aliases_nothing_is_told(tmp_path: Path) -> None:
    assert told(tmp_path / "hosts", OLDER + USER_DATA, block=b"") == []


MOUNTED = """
set -e
mount --bind "$1/outside" "$1/etc/hosts"
[ -z "$2" ] || mount -o "$2" "$1/etc/hosts"
exec "$3" -c '
import pathlib, sys
from localized.errors import NotWritable
from localized.activation.hosts_file import apply
path = pathlib.Path(sys.argv[1])
try:
    for block in (b"192.0.2.21 domino-local\\n", b"192.0.2.22 domino-local\\n", b""):
        print(apply(path, block).value, len(path.read_bytes()))
except NotWritable as error:
    print(error)
' "$1/etc/hosts"
"""


def mounted(tmp_path: Path, how: str) -> list[str]:
    """What `apply` did with a hosts file that is a bind mount, three times."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "hosts").touch()
    (tmp_path / "outside").write_bytes(b"127.0.0.1 localhost")
    argv = ["unshare", "-m", "sh", "-c", MOUNTED, "sh", str(tmp_path), how, sys.executable]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no mount namespace of one's own here: {done.stderr.strip()}")
    return done.stdout.splitlines()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file")
def test_a_hosts_file_that_is_a_mount_of_its_own_is_written_in_place(tmp_path: Path) -> None:
    first, second, third = mounted(tmp_path, "")
    whole = len(b"127.0.0.1 localhost\n" + OURS)
    assert (first, second) == (f"in place {whole}", f"in place {whole}")
    assert third == "in place 20"
    assert (tmp_path / "outside").read_bytes() == b"127.0.0.1 localhost\n"
    assert os.listdir(tmp_path / "etc") == ["hosts"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file")
def test_a_mount_that_is_read_only_names_the_way_out(tmp_path: Path) -> None:
    (said,) = mounted(tmp_path, "remount,bind,ro")
    assert "cannot be written: Read-only file system. Its block was not changed." in said
    assert "--add-host" in said


@pytest.mark.parametrize(
    ("before", "block"),
    [
        (b"127.0.0.1 localhost\n" + OURS + b"10.0.0.1 below\n", b"192.0.2.2 a\n"),
        (b"127.0.0.1 localhost\n" + OURS + b"10.0.0.1 below\n", b""),
        (b"", BLOCK),
        (OURS, BLOCK + b"192.0.2.23 mail-local\n"),
    ],
)
def test_what_is_written_in_place_is_what_a_rename_would_have_put_there(
    tmp_path: Path, before: bytes, block: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "hosts"
    path.write_bytes(before)

    def busy(*_: object, **__: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr("localized.activation.hosts_file.replace_file", busy)
    assert apply(path, block) is Written.IN_PLACE
    assert path.read_bytes() == with_block(before, block)


def test_a_full_disk_is_no_reason_to_write_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "hosts"
    path.write_bytes(b"127.0.0.1 localhost\n")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("localized.activation.hosts_file.replace_file", full)
    with pytest.raises(NotWritable, match="No space left"):
        apply(path, BLOCK)
    assert path.read_bytes() == b"127.0.0.1 localhost\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a file immutable")
def test_an_immutable_file_stays_and_the_command_that_helps_is_named(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("immutable") / "hosts"
    path.write_bytes(b"127.0.0.1 localhost\n")
    if subprocess.run(["chattr", "+i", path], capture_output=True, check=False).returncode != 0:
        pytest.skip("this file system has no immutable files")
    try:
        with pytest.raises(NotWritable, match="chattr -i"):
            apply(path, BLOCK)
    finally:
        subprocess.run(["chattr", "-i", path], check=True)
    assert path.read_bytes() == b"127.0.0.1 localhost\n"
    assert os.listdir(path.parent) == ["hosts"]
