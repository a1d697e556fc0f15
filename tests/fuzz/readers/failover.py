"""Readers of name servers, the peer, carriers, BIND and the journal."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from failover.bind import named_conf, zone_edit, zone_text
from failover.drill import store as drill_store
from failover.facts import own_bind, proof_parts, shared_facts, sync_age
from failover.journal import entry, journal, run
from failover.peer import messages as words
from failover.probes import asterisk_process, iax, ping, sip_message
from failover.state import claim, fenced, local_state, pause, proven_secrets, right
from failover.steps.carrier import http, preset
from failover.steps.dns import renotify
from failover.steps.proof import tone
from host import file_reading
from host.errors import UsageError
from pair.named_grammar import NotNamedConf
from tests.fuzz.readers.reader import PAIR, RIGHT, Reader, context, filed, places, shipped_preset, text, whole


def _zone(data: bytes, _: Path) -> object:
    zone = zone_text.read_zone(Path("/zone"), "acme.example", lambda _: data)
    want = {("pbx", "A"): frozenset({"192.0.2.12"}), ("_failover", "TXT"): frozenset({"hotstandby=1"})}
    serial = (zone_edit.serial_of(zone, "acme.example") + 1) % 2**32
    edits = zone_edit.edits(zone, "acme.example", want, serial=serial, ttl_s=30)
    zone_edit.require_served(zone, "acme.example", want)
    return zone_edit.applied(zone, edits)


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


def _peer(data: bytes, _: Path) -> object:
    for wanted in (words.PeerStatus, words.DemotionReport, words.SetupDigest, words.PeerFacts, words.SwitchoverReport):
        try:
            words.decode_answer(data, wanted)
        except (words.AnswerUnreadable, words.PeerRefused):
            continue
    return None


def _process(data: bytes, directory: Path) -> object:
    for name in ("stat", "cmdline"):
        (directory / "7").mkdir(exist_ok=True)
        (directory / "7" / name).write_bytes(data)
    return (
        asterisk_process.started_at(directory, 7),
        asterisk_process._supervisor(directory, 7),
        asterisk_process._is_asterisk(directory / "7"),
    )


def _options() -> sip_message.Options:
    return sip_message.Options("192.0.2.5", 5060, "192.0.2.6", 5060, "branch", "call")


STATUS_LINE: Final = words.encode_answer(words.PeerRefusal(reason="paused")).encode()


WAV: Final = (
    b"RIFF\x24\x08\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00"
    b"data\x00\x08\x00\x00" + bytes(range(256)) * 8
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


READERS: Final[tuple[Reader, ...]] = (
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
        "the right, by standing",
        right,
        filed("right.json", lambda at: right.held_right(places(at), "dallas")),
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
    Reader("a preset", preset, _preset, tuple(map(shipped_preset, ("voipms", "telnyx"))), (preset.PresetUnusable,)),
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
)
