"""Every reader of what somebody else wrote: files, replies, datagrams, words of the peer.

One row a reader: how it is called, what a genuine input looks like, and the errors that it documents. Any other
exception is a fault of ours, and so is a time that grows faster than the input.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Literal
from xml.etree.ElementTree import Element

import dns.exception
import dns.message

from agi import fake_asterisk
from agi.domino import access_services, agents, decoding, login, views, web_services
from agi.domino.errors import DominoError
from agi.lookups import answer, cache_file
from agi.protocol import environment, quoting, replies
from agi.server import descriptors as link
from agi.server import hand_over
from agi.server.hand_over import HandoverRefused, receive_call
from ami_watcher import ask, other_machine
from ami_watcher.ami import message, wire
from ami_watcher.ami.errors import AmiError
from ami_watcher.history import database
from ami_watcher.phones import contact, inventory
from ami_watcher.registrations import lists, role
from failover.bind import named_conf, zone_edit, zone_text
from failover.checks import own_bind, proof_parts, shared_facts, sync_age
from failover.context import Context
from failover.drill import store as drill_store
from failover.journal import entry, journal, run
from failover.peer import messages as words
from failover.probes import asterisk_process, iax, own_status, ping, sip_message
from failover.state import claim, fenced, local_state, pause, proven_secrets, right
from failover.steps.carrier import http, preset
from failover.steps.dns import renotify
from failover.steps.proof import tone
from host import file_reading, lock, printable
from host.errors import HotstandbyError, UsageError
from host.http import HttpResponse
from host.places import Places
from localized.activation import hosts_file, reload_state
from localized.asterisk import comments, configuration, files, refusals
from localized.generations import rollback, store
from localized.render import register_line, syntax
from localized.role import Role
from pair import PairInvalid, SecretUnusable, parse, public_role, read_secret, secret, telephone, this_machine, tsig_key
from pair import reading as pair_reading
from pair import right as pair_right
from pair.named_grammar import NotNamedConf
from tests.pair.example import EXAMPLE

PAIR: Final = parse(EXAMPLE.encode(), Path("pair.toml"))


@dataclass(frozen=True, slots=True)
class Reader:
    """One reader.

    Attributes:
        name: for people.
        module: where it is.
        read: takes the bytes, and a directory of its own for a file.
        seeds: genuine inputs.
        errors: what it documents.
    """

    name: str
    module: ModuleType
    read: Callable[[bytes, Path], object]
    seeds: tuple[bytes, ...]
    errors: tuple[type[BaseException], ...] = ()

    def take(self, data: bytes, directory: Path) -> None:
        """Reads once; a documented error is an answer as well."""
        try:
            self.read(data, directory)
        except self.errors:
            return


def text(function: Callable[[str], object]) -> Callable[[bytes, Path], object]:
    """A reader of text that was decoded as ours is: what is not UTF-8 was replaced before."""
    return lambda data, _: function(data.decode("utf-8", "replace"))


def whole(function: Callable[[bytes], object]) -> Callable[[bytes, Path], object]:
    """A reader of bytes."""
    return lambda data, _: function(data)


def context(directory: Path) -> Context:
    """dallas, whose files lie in `directory`."""
    return Context(places(directory), PAIR, "dallas")


def places(directory: Path) -> Places:
    """All three places in one directory."""
    return Places(directory, directory, directory)


def filed(name: str, function: Callable[[Path], object]) -> Callable[[bytes, Path], object]:
    """A reader of a file of that name, which is given its directory."""

    def read(data: bytes, directory: Path) -> object:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return function(directory)

    return read


def _reply(kind: str, status: int = 200) -> Callable[[bytes], HttpResponse]:
    return lambda data: HttpResponse(status, (("Content-Type", f"{kind}; charset=utf-8"),), data)


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


def _replies(data: bytes, _: Path) -> object:
    found = []
    for mark in (b"", b"mark"):
        reader = replies.ReplyReader()
        for at in range(0, len(data), 1000):
            reader.feed(data[at : at + 1000])
            while (reply := reader.next(mark)) is not None:
                found.append(reply)
    reader = replies.ReplyReader()
    reader.feed(data)
    return found, reader.begun(), reader.up_to(b"mark")


CLOSER: Final = link.DescriptorCloser()


def _handed(data: bytes, _: Path) -> object:
    """A packet with two ends of a pipe, as Asterisk gives them to a process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ends = os.pipe()
    with ours, theirs:
        theirs.setblocking(False)
        socket.send_fds(theirs, [data[:60_000] or b"\0"], list(ends))
        for end in ends:
            os.close(end)
        ours.setblocking(False)
        handed = receive_call(ours, CLOSER)
    if handed is not None:
        CLOSER.close((handed.read_fd, handed.write_fd))
    return handed


def _zone(data: bytes, _: Path) -> object:
    zone = zone_text.read_zone(Path("/zone"), "acme.example", lambda _: data)
    want = {("pbx", "A"): frozenset({"192.0.2.12"}), ("_failover", "TXT"): frozenset({"hotstandby=1"})}
    serial = (zone_edit.serial_of(zone, "acme.example") + 1) % 2**32
    edits = zone_edit.edits(zone, "acme.example", want, serial=serial, ttl_s=30)
    zone_edit.require_served(zone, "acme.example", want)
    return zone_edit.applied(zone, edits)


def _key(data: bytes, _: Path) -> object:
    return tsig_key.parse_tsig_key(data.decode("utf-8", "replace"), "tsig.key").keyring


def _conf(data: bytes, directory: Path) -> object:
    (directory / "sip.conf").write_bytes(data)
    found = configuration.read_conf("sip.conf", str(directory), files.LocalDisk())
    assert found is not None
    return found, configuration.read_text(data)


def _registers(line: str) -> object:
    return register_line.read_sip(line), register_line.read_iax(line), register_line.read_sip_line(line)


def _comments(data: bytes) -> object:
    depth = comments.CommentDepth()
    for line in data.decode("utf-8", "surrogateescape").split("\n"):
        if len(line) <= configuration.LINE_LIMIT:  # its one caller passes over a longer one, as Asterisk does
            _, depth = comments.without_comments(line, depth)
    return depth


def _written(value: str) -> object:
    given = syntax.Untrusted(value, "a value")
    done = []
    for function in (
        syntax.asterisk_value,
        syntax.sip_user,
        syntax.sip_host,
        syntax.named_string,
        syntax.hosts_name,
        syntax.unison_value,
        syntax.markdown,
    ):
        try:
            done.append(function(given))
        except syntax.Unwritable:
            continue
    return done


def _hosts(data: bytes, _: Path) -> object:
    block = b"192.0.2.1 domino-local\n"
    try:
        hosts_file.with_block(data, block)
        hosts_file.with_block(data, b"")
    except hosts_file.BlockDamaged:
        pass
    return [one.sentence(Path("/etc/hosts")) for one in hosts_file.other_lines(data, block)]


def _cloud(data: bytes, directory: Path) -> object:
    for name in ("cloud.cfg", "merged.json", "hosts"):
        (directory / name).write_bytes(data)
    return hosts_file.troubles(
        directory / "hosts", b"192.0.2.1 domino-local\n", cloud=directory, merged=directory / "merged.json"
    )


def _journal(data: bytes, _: Path) -> object:
    lines = entry.decode(data)
    return run.fold(7, "promote", lines.entries, lines.torn)


def _chained(*entries: tuple[entry.EntryKind, str, dict[str, Any]]) -> bytes:
    chain, made = entry.FIRST_CHECKSUM, b""
    for count, (kind, step, more) in enumerate(entries, 1):
        stamp = entry.Stamp("2026-11-26T00:00:00.000+00:00", float(count), "boot", "dallas", 7)
        line, chain = entry.encode(entry.JournalEntry(count, kind, step, "words", stamp, more), chain)
        made += line
    return made


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


def _kept(data: bytes, _: Path) -> object:
    return cache_file.entry_from(1.0, data.decode("utf-8", "replace"))


def _manifest(data: bytes, directory: Path) -> object:
    path = directory / "generations" / "1-standby-0123456789ab"
    path.mkdir(parents=True, exist_ok=True)
    (path / "manifest.json").write_bytes(data)
    link = directory / "current"
    if not link.is_symlink():
        link.symlink_to("generations/1-standby-0123456789ab")
    found = store.Generation(path, 1, Role.STANDBY, "0123456789ab")
    made = store.GenerationStore(Places(directory, directory, directory))
    return found.files(), reload_state.modules_to_reload(made, reload_state.ReloadState(places(directory)), found)


def _reminded(data: bytes, _: Path) -> object:
    return renotify.decode_task(data)


def _carrier(data: bytes, _: Path) -> object:
    parsed, understood = http._parsed(data)
    for expression in ("status", "data[0].id", "dids[did=15551234567].routing", "errors[0].title"):
        try:
            preset.taken(parsed, expression, {"number": "15551234567"})
        except preset.ValueMissing:
            continue
    return understood


def _preset(data: bytes, directory: Path) -> object:
    path = directory / "templates" / "carriers" / "mine.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return preset.load_preset(places(directory), "mine")


def _ours(name: str) -> bytes:
    import templates

    return (Path(templates.__file__).parent / "carriers" / f"{name}.toml").read_bytes()


def _secret(data: bytes, directory: Path) -> object:
    path = directory / "secrets" / "acme"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o600)
    return read_secret(places(directory), "acme")


def _peer(data: bytes, _: Path) -> object:
    for wanted in (words.PeerStatus, words.DemotionReport, words.SetupDigest, words.PeerFacts, words.SwitchoverReport):
        try:
            words.decode_answer(data, wanted)
        except (words.AnswerUnreadable, words.PeerRefused):
            continue
    return None


def _telephone(given: str) -> object:
    found: list[object] = []
    for region in (None, "US", "DE"):
        found.append(telephone.canonical(given, region))
        found.append(telephone.spellings(given, region, ("e164", "digits")))
    return found


def _process(data: bytes, directory: Path) -> object:
    for name in ("stat", "cmdline"):
        (directory / "7").mkdir(exist_ok=True)
        (directory / "7" / name).write_bytes(data)
    return (
        asterisk_process.started_at(directory, 7),
        asterisk_process._supervisor(directory, 7),
        asterisk_process._is_asterisk(directory / "7"),
    )


def _name_server(data: bytes, _: Path) -> object:
    """What dnspython makes of a datagram, and we of its texts."""
    try:
        found = dns.message.from_wire(data)
    except dns.exception.DNSException:
        return None
    return [public_role.parse(str(one), ("boston", "dallas")) for answers in found.answer for one in answers]


def _said_by_domino(read: Callable[[HttpResponse, str], object], kind: str) -> Callable[[bytes, Path], object]:
    return lambda data, _: read(_reply(kind)(data), "5551234567")


def _decoded(data: bytes) -> object:
    """The first line is the charset that is claimed."""
    declared, _, body = data.partition(b"\n")
    return decoding.decoded(body, declared.decode("latin-1"))


def _options() -> sip_message.Options:
    return sip_message.Options("192.0.2.5", 5060, "192.0.2.6", 5060, "branch", "call")


def _cookies(data: bytes, _: Path) -> object:
    return login._COOKIE.match(data.decode("latin-1"))


def _element(tree: Element) -> object:
    return agents.fields_of(tree)


STATUS_LINE: Final = words.encode_answer(words.PeerRefusal(reason="paused")).encode()
WAV: Final = (
    b"RIFF\x24\x08\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00"
    b"data\x00\x08\x00\x00" + bytes(range(256)) * 8
)
RIGHT: Final = json.dumps(
    {"machine": "dallas", "epoch": 7, "boot_id": "x", "deadline_boottime": 1e5, "reason": "promote"}
).encode()
GENUINE: Final = "".join(
    f"{name}: {'1.0' if name == 'agi_enhanced' else '1' if value is environment._NUMBER else 'SIP/acme-00000001'}\n"
    for name, value in environment._ORDER
).encode()
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
ZONE: Final = (
    b"$TTL 1h\n$ORIGIN acme.example.\n@ IN SOA ns1 host ( 2026112601 1h 15m 30d 2h )\n\tNS ns1\nns1 A 192.0.2.11\n"
    b'pbx 30 IN A 192.0.2.11 ; the primary\n_failover TXT "hotstandby=1 machine=boston epoch=6"\n'
)
NAMED_CONF: Final = (
    b'options {\n\tdirectory "/var/cache/bind";\n\tallow-query { any; };\n};\nprimaries "both" { 192.0.2.11; '
    b'192.0.2.12; };\nview "in" {\n\tzone "acme.example" IN {\n\t\ttype secondary;\n\t\tprimaries '
    b'{ "both"; };\n\t\tfile "x\\"y";\n\t};\n};\nzone "b.example" { type primary; file "b"; };\n'
)
LOG: Final = (
    b"[Nov 26 00:00:00] ERROR[7] res_sorcery_config.c: Could not create an object of type 'auth' with id 'acme' from "
    b"configuration file 'pjsip.conf'\n[Nov 26 00:00:01] WARNING[7] chan_sip.c: Registration from 'x' refused (403)\n"
)
KEY: Final = b'key "hotstandby" {\n\talgorithm hmac-sha256; /* new */\n\tsecret "c2VjcmV0c2VjcmV0"; // here\n};\n'
CONF: Final = (
    b"[general](!) ; template\nregister => u:p@sip.acme.example:5060/2000~120\n;-- block\n--;\n[acme](general,+)\n"
    b'secret=a\\;b\n#include "more.conf"\n#include x/{a,b}*.conf\n[nova](+type=registration)\ntype=registration\n'
)
VIEW: Final = (
    b'{"@toplevelentries":"1","viewentry":[{"@unid":"0123456789ABCDEF0123456789ABCDEF","@position":"1","entrydata":'
    b'[{"@name":"Phone","text":{"0":"5551234567"}},{"@name":"Names","textlist":{"text":[{"0":"a"},{"0":"b"}]}},'
    b'{"@name":"When","datetimelist":{"datetimepair":[{"datetime":[{"0":"2026"},{"0":"2027"}]}]}}]}]}'
)
VIEW_XML: Final = (
    b'<?xml version="1.0"?><viewentries toplevelentries="1"><viewentry unid="0123456789ABCDEF0123456789ABCDEF">'
    b'<entrydata name="Phone"><text>5551234567</text></entrydata><entrydata name="N"><textlist><text>&#55357;&#56832;'
    b"</text></textlist></entrydata></viewentry></viewentries>"
)
SOAP: Final = (
    b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><r xmlns="urn:x"><Name>Ann</Name></r>'
    b"</e:Body></e:Envelope>"
)
EXPORT: Final = (
    b'{"format": 1, "machine": "boston", "at": 1790000000.0, "contacts": [\n{"name": "a", "channel": "sip", "address": '
    b'"192.0.2.5:5060", "reach": "reachable", "user_agent": null, "expires_at": 1790000060, "first_seen": 1, '
    b'"last_seen": 2, "here": true}\n]}\n'
)
MANIFEST: Final = (
    b'{"generation": 1, "role": "standby", "files": [{"path": "asterisk/a.conf", "sha256": "x", "reload": null}]}'
)

AGENTS: Final[tuple[tuple[Literal["json", "xml", "text"], bytes], ...]] = (
    ("json", b'{"a": "b", "c": ["d"]}'),
    ("xml", b"<r><a>b</a><a>c</a></r>"),
    ("text", b"a=b\nc=d\n"),
)

READERS: Final[tuple[Reader, ...]] = (
    # pair
    Reader("pair.toml", pair_reading, lambda data, _: parse(data, Path("p")), (EXAMPLE.encode(),), (PairInvalid,)),
    Reader("TOML", pair_reading, text(pair_reading.read_toml), (EXAMPLE.encode(), _ours("telnyx")), (ValueError,)),
    Reader(
        "the machine's name",
        pair_reading,
        filed("localized/machine", lambda at: this_machine(places(at), PAIR)),
        (b"dallas\n",),
        (UsageError,),
    ),
    Reader(
        "a secret",
        secret,
        _secret,
        (b"secret\n",),
        (SecretUnusable,),
    ),
    # host
    Reader(
        "JSON of a file", file_reading, filed("x", lambda at: file_reading.read_json(at / "x")), (RIGHT,), (ValueError,)
    ),
    Reader("a lock's note", lock, lambda data, at: lock._described(data, [1], at), (b'{"pid": 1, "since": 0}',)),
    Reader("text for a log line", printable, text(printable.printable), (b"a\x1b[2Jb",)),
    # failover: state
    Reader(
        "a journal",
        entry,
        _journal,
        (
            _chained(
                (entry.EntryKind.OPENED, "", {"pair_digest": "d"}),
                (entry.EntryKind.BEGUN, "dns", {"was": ["192.0.2.11"]}),
                (entry.EntryKind.CLOSED, "", {}),
            ),
        ),
        (entry.JournalDamaged,),
    ),
    Reader(
        "a journal's file",
        journal,
        filed("journal/000001-promote.journal", lambda at: local_state.read_state(places(at), "dallas")),
        (_chained((entry.EntryKind.OPENED, "", {})),),
    ),
    Reader(
        "the right",
        pair_right,
        filed("right.json", lambda at: pair_right.read_right(at / "right.json")),
        (RIGHT,),
        (ValueError,),
    ),
    Reader(
        "the right, by standing",
        right,
        filed("right.json", lambda at: right.held_right(places(at), "dallas")),
        (RIGHT,),
    ),
    Reader(
        "the right, by the watcher",
        role,
        filed("right.json", lambda at: (_manifest(MANIFEST, at), role.may_not_register(places(at), "dallas"))),
        (RIGHT,),
    ),
    Reader(
        "the fence",
        fenced,
        filed("fenced", lambda at: fenced.read_fence(places(at))),
        (b'{"reason": "a", "since": "b"}',),
    ),
    Reader(
        "a claim",
        claim,
        filed("claim.json", lambda at: (claim.claimed_epoch(places(at)), claim._read(at / "claim.json", "pid"))),
        (b'{"epoch": 7, "pid": 1}',),
    ),
    Reader(
        "a pause",
        pause,
        filed("pause.json", lambda at: pause.read_pause(places(at))),
        (b'{"reason": "a", "until": "2026-11-26T00:00:00+00:00", "until_boottime": 1.0, "boot_id": "x"}',),
        (pause.PauseUnreadable,),
    ),
    Reader("a pause's length", pause, text(pause.duration_s), (b"1h30m",), (UsageError,)),
    Reader(
        "passwords that were proven",
        proven_secrets,
        filed(proven_secrets.FILE, lambda at: proven_secrets.last(places(at), PAIR, "dallas")),
        (b'{"key": "00ff", "trunks": {"acme": ["0123", 1790000000.0]}}',),
    ),
    Reader(
        "what ready came to",
        own_status,
        filed("ready.json", lambda at: own_status.readiness(places(at))),
        (b'{"at": 1790000000.0, "exit": 0, "names": ["a"]}',),
    ),
    Reader(
        "the last sync",
        sync_age,
        filed("sync.json", lambda at: sync_age.read_sync_age(context(at), datetime(2026, 11, 26, tzinfo=UTC))),
        (b'{"ended": 1790000000}',),
    ),
    Reader(
        "reports of drills",
        drill_store,
        filed("drills/000001.json", lambda at: drill_store.earlier(places(at))),
        (b'{"number": 1}',),
    ),
    # failover: others' words
    Reader("the peer's answer", words, _peer, (STATUS_LINE, b"motd\n" + STATUS_LINE + b"\n")),
    Reader("the peer's request", words, text(words.parse_request), (b"demote 7", b"status"), (words.NotUnderstood,)),
    Reader("a zone file", zone_text, _zone, (ZONE,), (zone_text.ZoneFileUnclear,)),
    Reader(
        "named.conf, as named-checkconf prints it",
        named_conf,
        text(lambda printed: [one.of("acme.example") for one in [named_conf.read(printed, Path("/var/cache/bind"))]]),
        (NAMED_CONF,),
        (NotNamedConf,),
    ),
    Reader("a TSIG key", tsig_key, _key, (KEY,), (tsig_key.TsigKeyUnusable,)),
    Reader(
        "the _failover record",
        public_role,
        text(lambda given: public_role.parse(given, ("boston", "dallas"))),
        (b"hotstandby=1 machine=boston epoch=7",),
    ),
    Reader(
        "a name server's datagram",
        public_role,
        _name_server,
        (dns.message.make_response(dns.message.make_query("pbx.acme.example", "TXT")).to_wire(),),
    ),
    Reader(
        "what a reminder is told",
        renotify,
        _reminded,
        (
            b'{"zone": "acme.example", "own": {"name": "dallas", "address": "192.0.2.12"}, "line": {}, "whom": [], '
            b'"key": null}',
        ),
        file_reading.MISREAD,
    ),
    Reader("a carrier's answer", http, _carrier, (b'{"status": "success", "data": [{"id": 1}], "dids": []}',)),
    Reader("a preset", preset, _preset, tuple(map(_ours, ("voipms", "telnyx"))), (preset.PresetUnusable,)),
    Reader(
        "a number, as a carrier spells it",
        telephone,
        text(lambda given: telephone.as_carrier_wants(given, "e164")),
        (b"+1 555 123 4567",),
        (HotstandbyError,),
    ),
    Reader(
        "a SIP answer",
        sip_message,
        lambda data, _: sip_message.answer(data, _options()),
        (b"SIP/2.0 200 OK\r\ni: call\r\n\r\n",),
    ),
    Reader("an IAX frame", iax, whole(lambda data: iax.pong(data, 5)), (iax.frame(1, 5, 0, 0, 3),)),
    Reader("an echo", ping, whole(lambda data: [ping.is_reply(data, one, 1) for one in (4, 6)]), (ping.echo(4, 1, 1),)),
    Reader("a recording", tone, whole(lambda data: tone.measure_tone(data, 425)), (WAV,)),
    Reader("module show", shared_facts, text(shared_facts.modules), (b"app_dial.so   Dialing   0   Running   core\n",)),
    Reader("core show codecs", shared_facts, text(shared_facts.codecs), (b"      1 audio ulaw    g711 (ulaw)\n",)),
    Reader("a certificate's end", shared_facts, text(shared_facts.expiry_of), (b"expires Nov 26 00:00:00 2026 GMT",)),
    Reader(
        "dialplan show",
        proof_parts,
        text(lambda said: proof_parts.calls_proof(said.splitlines())),
        (b"Gosub(x,s,1)\n",),
    ),
    Reader(
        "an AppArmor profile",
        own_bind,
        text(lambda said: own_bind.allows(said, "/etc/hotstandby/localized/current-dns/named/zones.conf")),
        (b"  owner /etc/hotstandby/** r,\n",),
    ),
    Reader(
        "/proc/PID", asterisk_process, _process, (b"7 (asterisk) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 0 20 0 1 0 100 0 0\n",)
    ),
    # localized
    Reader("Asterisk's configuration", configuration, _conf, (CONF,)),
    Reader("comments of Asterisk's configuration", comments, whole(_comments), (CONF,)),
    Reader(
        "register =>",
        register_line,
        text(_registers),
        (b"peer?tls://user@dom:1:pw:auth@host:5061/2000~60", b'"a":"b"@[2001:db8::1]'),
    ),
    Reader("Asterisk's log", refusals, text(refusals.read_log), (LOG,)),
    Reader("a value to be written", syntax, text(_written), (b"a value; with [things]",)),
    Reader("the hosts file", hosts_file, _hosts, (b"127.0.0.1 localhost\n# BEGIN hotstandby\n# END hotstandby\n",)),
    Reader("cloud-init's files", hosts_file, _cloud, (b"manage_etc_hosts: true\n", b'{"manage_etc_hosts": true}')),
    Reader("a manifest", store, _manifest, (MANIFEST,), (HotstandbyError,)),
    Reader(
        "what Asterisk has loaded",
        reload_state,
        filed(
            "localized-loaded.json", lambda at: (_manifest(MANIFEST, at), reload_state.ReloadState(places(at)).name())
        ),
        (b'{"generation": "1-standby-0123456789ab", "swapped_ns": 1}',),
    ),
    Reader(
        "the note of a rollback",
        rollback,
        filed("localized-rollback", lambda at: rollback.Rollback(places(at))._noted()),
        (b"1-standby-0123456789ab\n",),
    ),
    Reader(
        "an include's pattern",
        files,
        text(lambda one: list(files.LocalDisk().glob("/nowhere/" + one[:200]))),
        (b"{a,b}*.conf",),
    ),
    # ami_watcher
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
    # agi
    Reader("an AGI environment", environment, whole(environment.read_environment), (GENUINE + b"agi_arg_1: x\n",)),
    Reader(
        "AGI replies",
        replies,
        _replies,
        (
            b"200 result=1 (value) endpos=99\n510 Invalid\n520-Usage\n520 End of proper usage.\n",
            b"200 result=1 (xmark)\n",
        ),
        (replies.ReplyTooLong,),
    ),
    Reader("a launcher's packet", hand_over, _handed, (hand_over.WORD + b"\0x.py\0a\0",), (HandoverRefused, OSError)),
    Reader("a caller's number", telephone, text(_telephone), (b"+44 20 7946 0000", b"5559000;npdi")),
    Reader("a value for a channel", answer, text(answer.safe), (b"J\xc3\xb6rg $" + b"{X}",)),
    Reader("an AGI argument", quoting, text(quoting.quoted), (b'a "b" \\c',)),
    Reader("an AGI command, by the stand-in", fake_asterisk, text(fake_asterisk.words), (b'SET VARIABLE "a b" c\\"',)),
    Reader("an answer that was kept", cache_file, _kept, (b'{"name": "Ann"}',)),
    Reader(
        "Domino's view, JSON",
        views,
        _said_by_domino(views.DominoView("d", "v", "Phone").read, "application/json"),
        (VIEW,),
        (DominoError,),
    ),
    Reader(
        "Domino's view, XML",
        views,
        _said_by_domino(views.DominoView("d", "v", "Phone", "xml").read, "text/xml"),
        (VIEW_XML,),
        (DominoError,),
    ),
    *(
        Reader(
            f"an agent's {output} as {kind}",
            agents,
            _said_by_domino(agents.DominoAgent("d", "a", "k", output).read, kind),
            (seed, b"<html><head></head><body>" + seed + b"<br></body></html>"),
            (DominoError,),
        )
        for output, seed in AGENTS
        for kind in ("text/html", "text/plain")
    ),
    Reader(
        "Domino Access Services",
        access_services,
        _said_by_domino(access_services.DominoCollection("d", "v", "Phone").read, "application/json"),
        (b'[{"@unid": "1", "Phone": "5551234567", "N": ["a", 1]}]', b'{"code": 403, "message": "off"}'),
        (DominoError,),
    ),
    Reader(
        "a web service",
        web_services,
        _said_by_domino(web_services.WebServiceOperation("d", "s", "urn:x", "GET", "KEY").read, "text/xml"),
        (SOAP,),
        (DominoError,),
    ),
    Reader("XML", decoding, text(lambda said: _element(decoding.read_xml(said))), (VIEW_XML, SOAP), (DominoError,)),
    Reader("JSON that is not quite", decoding, text(decoding.read_json), (b'{"a": "\\>\\u00e4"}',), (DominoError,)),
    Reader(
        "bytes of any charset",
        decoding,
        whole(_decoded),
        ("utf-8\nJörg".encode(), b"utf-16\n\xff\xfeJ\0", b"hz\n~{VPND~}"),
    ),
    Reader("Domino's cookie", login, _cookies, (b'DomAuthSessId="ABC"; path=/',)),
)
