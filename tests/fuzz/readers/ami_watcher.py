"""Readers of AMI, the other machine and the history."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ami_watcher import ask, other_machine
from ami_watcher.ami import message, wire
from ami_watcher.ami.errors import AmiError
from ami_watcher.history import database
from ami_watcher.phones import contact, inventory
from ami_watcher.registrations import lists, role
from tests.fuzz.readers.reader import MANIFEST, RIGHT, Reader, filed, places, read_manifest, text, whole


def _items(data: bytes, _: Path) -> object:
    """AMI from bytes to contacts and registrations."""
    found = wire.AmiReader()
    messages = [one for one in found.feed(data) if isinstance(one, message.AmiMessage)]
    listed = [lists.listed_from(channel, one) for one in messages for channel in ("sip", "iax2", "pjsip")]
    fields = [(one.fields, one.get("Status"), one.content, one.event_name) for one in messages]
    return contact.contacts_from([dict(one.fields) for one in messages]), listed, fields


def _wire_in_pieces(data: bytes, _: Path) -> object:
    found = wire.AmiReader(["Registry"], longest=512)
    return [found.feed(data[at : at + 97]) for at in range(0, len(data), 97)]


def _store(data: bytes, directory: Path) -> object:
    for old in directory.glob("history.sqlite3*"):
        old.unlink()
    (directory / "history.sqlite3").write_bytes(data)
    opened, _ = database.open_database(directory / "history.sqlite3", wait_s=0.1)
    try:
        return opened.load(0.0, 100)
    finally:
        opened.close()


def _database(made: Callable[[Path], None]) -> bytes:
    """The bytes of an SQLite file, made in memory."""
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "x.sqlite3"
        made(path)
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("PRAGMA journal_mode = DELETE")
        connection.close()
        return path.read_bytes()


def _history(path: Path) -> None:
    made, _ = database.open_database(path)
    made.close()


AMI: Final = (
    b"Asterisk Call Manager/5.0.2\r\nResponse: Success\r\nActionID: 1\r\nEventList: start\r\n\r\n"
    b"Event: RegistryEntry\r\nActionID: 1\r\nHost: sip.acme.example\r\nPort: 5060\r\nUsername: 5551000\r\n"
    b"Refresh: 105\r\nState: Registered\r\n\r\n"
    b"Event: PeerEntry\r\nChanneltype: SIP\r\nObjectName: alice\r\nIPaddress: 192.0.2.5\r\nIPport: 5060\r\n"
    b"Dynamic: yes\r\nStatus: OK (12 ms)\r\n\r\n"
    b"Event: ContactList\r\nObjectName: bob;@abc\r\nUri: sip:bob@192.0.2.6:5060;ob\r\nStatus: Reachable\r\n"
    b"RoundtripUsec: 1200\r\nExpirationTime: 1790000000\r\n\r\n"
    b"Event: OutboundRegistrationDetail\r\nObjectName: nova\r\nServerUri: sip:nova.example:5061\r\n"
    b"ClientUri: sip:u@nova.example\r\nStatus: Registered\r\nExpiration: 60\r\n\r\n"
)


EXPORT: Final = (
    b'{"format": 1, "machine": "boston", "at": 1790000000.0, "contacts": [\n{"name": "a", "channel": "sip", "address": '
    b'"192.0.2.5:5060", "reach": "reachable", "user_agent": null, "expires_at": 1790000060, "first_seen": 1, '
    b'"last_seen": 2, "here": true}\n]}\n'
)


READERS: Final[tuple[Reader, ...]] = (
    Reader(
        "the right, by the watcher",
        role,
        filed("right.json", lambda at: (read_manifest(MANIFEST, at), role.may_not_register(places(at), "dallas"))),
        (RIGHT,),
    ),
    Reader("AMI", lists, _items, (AMI,), (AmiError,)),
    Reader("AMI in pieces", wire, _wire_in_pieces, (AMI,), (AmiError,)),
    Reader("a SIP URI of a contact", contact, text(contact.address_in), (b"<sip:a@[2001:db8::1]:5060;x?y>",)),
    Reader(
        "the other machine's phones",
        inventory,
        whole(lambda data: inventory.decode_export(data, machine="boston")),
        (EXPORT,),
        (inventory.ExportInvalid,),
    ),
    Reader(
        "what failover saw of the other machine",
        other_machine,
        filed(
            other_machine.FILE,
            lambda at: other_machine.read_other_machine(
                places(at), "dallas", "boston", other_machine.OTHER_MACHINE_UNSEEN
            ),
        ),
        (
            other_machine.encode_peer_seen(
                "boston", at=1_800_000_000.0, is_primary=True, epoch=4, held=("acme", "metro")
            ),
        ),
    ),
    Reader("the watcher's error", ask, whole(ask._error), (b'{"error": "not now"}',)),
    Reader("the history", database, _store, (_database(_history),), (database.DatabaseUnusable,)),
)
