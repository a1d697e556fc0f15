"""The directory in which the two machines tell each other their phones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ami_watcher.phones import exchange
from ami_watcher.phones.exchange import ContactExchange, ExportFailed
from ami_watcher.phones.inventory import ContactExport, KnownContact, encode_export
from tests.ami_watcher.fake_source import a_phone


def an_export(machine: str, *names: str) -> ContactExport:
    known = tuple(
        KnownContact(a_phone(name, rtt_ms=None, expires_at=2000.0), 900.0, 1000.0, here=True) for name in names
    )
    return ContactExport(machine, 1000.0, known)


@pytest.fixture
def boston(tmp_path: Path) -> ContactExchange:
    return ContactExchange(tmp_path / "contacts", machine="boston", other="dallas")


def test_what_one_machine_publishes_the_other_reads(boston: ContactExchange) -> None:
    boston.publish(an_export("boston", "100", "101"))
    dallas = ContactExchange(boston.directory, machine="dallas", other="boston")
    assert dallas.other() == (an_export("boston", "100", "101"), "")


def test_a_list_is_read_again_when_it_is_another_one(boston: ContactExchange) -> None:
    boston.directory.mkdir()
    boston.other_file.write_bytes(encode_export(an_export("dallas", "201")))
    first, _ = boston.other()
    assert boston.other()[0] is first  # the same file is read once
    boston.other_file.unlink()
    boston.other_file.write_bytes(encode_export(an_export("dallas", "201", "202")))
    second, _ = boston.other()
    assert second is not None
    assert [item.contact.name for item in second.known] == ["201", "202"]


def test_without_a_list_it_is_said_who_brings_one(boston: ContactExchange) -> None:
    found, why = boston.other()
    assert found is None
    assert "dallas has left no list of its phones here yet" in why


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"{", "The list of phones that dallas wrote cannot be read"),
        (encode_export(an_export("boston", "100")), "it is another machine's"),
        (b" " * 200, "is longer than"),
    ],
)
def test_a_list_that_is_none_is_said_to_be_none(
    boston: ContactExchange, data: bytes, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "LONGEST", max(len(data), 150) if data.strip() else 150)
    boston.directory.mkdir()
    boston.other_file.write_bytes(data)
    found, why = boston.other()
    assert found is None
    assert words in why


def test_what_is_no_file_is_not_waited_for(boston: ContactExchange) -> None:
    boston.directory.mkdir()
    os.mkfifo(boston.other_file)
    found, why = boston.other()
    assert found is None
    assert str(boston.other_file) in why


def test_where_it_cannot_be_written_it_is_said_what_to_look_at(tmp_path: Path) -> None:
    (tmp_path / "contacts").write_text("a file where the directory belongs")
    boston = ContactExchange(tmp_path / "contacts", machine="boston", other="dallas")
    with pytest.raises(ExportFailed, match="ls -ld"):
        boston.publish(an_export("boston", "100"))
