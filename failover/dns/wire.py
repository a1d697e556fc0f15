"""Talks to name servers: asks, sends UPDATE and NOTIFY. One exchange each, by a deadline, errors in our words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.query
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.update
from dns.rdtypes.ANY.TXT import TXT

from failover.dns.facts import RecordKey, Records, Seen, Server
from failover.dns.tsig_key import TsigKey
from failover.errors import FailoverError
from host.printable import printable

TRIES_S: Final = (0.5, 1.0)
"""Seconds that each try over UDP waits: a lost datagram costs half a second."""
NOTIFY_TRIES_S: Final = (0.3, 0.7, 1.5)
"""RFC 1996 §3.6 suggests 60 s between tries; callers cannot wait for that."""
_AT_ONCE: Final = 16
"""Servers asked at the same time."""


class NotAnswered(FailoverError):
    """No answer came that could be believed; for an UPDATE: whether it was carried out is not known."""


class UpdateRefused(FailoverError):
    """The server said no; nothing was changed."""


class PrerequisiteFailed(UpdateRefused):
    """The zone does not hold what it held a moment ago."""


@dataclass(frozen=True, slots=True)
class Line:
    """How servers are reached.

    Attributes:
        port: of all of them.
        source: our address that they know us by; empty for the kernel's choice.
    """

    port: int = 53
    source: str = ""

    def towards(self, address: str) -> str | None:
        """The source address for a destination of the same family; a loopback one reaches nothing but loopback."""
        if not self.source or (":" in self.source) != (":" in address):
            return None
        return None if _loopback(self.source) and not _loopback(address) else self.source


def _loopback(address: str) -> bool:
    return address == "::1" or address.startswith("127.")


def ask_all(servers: Sequence[Server], zone: str, keys: Sequence[RecordKey], line: Line) -> list[Seen]:
    """What each server says, all asked at the same time; a dead one holds up nobody."""
    if not servers:
        return []
    with ThreadPoolExecutor(min(_AT_ONCE, len(servers))) as pool:
        return list(pool.map(lambda server: ask(server, zone, keys, line), servers))


def ask(
    server: Server, zone: str, keys: Sequence[RecordKey], line: Line, *, tries_s: Sequence[float] = TRIES_S
) -> Seen:
    """What one server says of some records and the SOA, as an authority (AA set), without recursion. Never raises."""
    origin = dns.name.from_text(zone)
    try:
        soa_set = _authoritative(server, origin, "SOA", line, tries_s)
        soa = next(iter(soa_set)) if soa_set else None
        if soa is None:
            return Seen(server, failure="it has no SOA for the zone")
        found: dict[RecordKey, frozenset[str]] = {}
        for name, kind in keys:
            owner = origin if name == "@" else dns.name.from_text(name, origin)
            found[name, kind] = frozenset(
                _text(rdata) for rdata in _authoritative(server, owner, kind, line, tries_s) or ()
            )
    except _Unfit as error:
        return Seen(server, failure=str(error), silent=error.silent)
    assert soa_set is not None
    return Seen(server, records=found, serial=soa.serial, soa=soa.to_text(), soa_ttl=soa_set.ttl)


class _Unfit(Exception):
    def __init__(self, words: str, *, silent: bool = False) -> None:
        super().__init__(words)
        self.silent = silent


def _authoritative(
    server: Server, owner: dns.name.Name, kind: str, line: Line, tries_s: Sequence[float]
) -> dns.rrset.RRset | None:
    query = dns.message.make_query(owner, kind)
    query.flags &= ~dns.flags.RD
    answer: dns.message.Message | None = None
    why = "no answer"
    for wait_s in tries_s:
        try:
            answer, _ = dns.query.udp_with_fallback(
                query,
                server.address,
                timeout=wait_s,
                port=line.port,
                source=line.towards(server.address),
                ignore_unexpected=True,
            )
            break
        except dns.exception.Timeout:
            why = "no answer"
        except OSError as error:
            why = f"no answer ({error.strerror or type(error).__name__})"
        except (dns.exception.DNSException, ValueError) as error:
            raise _Unfit(f"an answer that makes no sense ({type(error).__name__})") from None
    if answer is None:
        raise _Unfit(why, silent=True)
    if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise _Unfit(f"answers {dns.rcode.to_text(answer.rcode())} for {printable(owner.to_text())}")
    if not answer.flags & dns.flags.AA:
        raise _Unfit(f"answers for {printable(owner.to_text())} without authority: the zone is not loaded there")
    if answer.get_rrset(answer.answer, owner, dns.rdataclass.IN, dns.rdatatype.CNAME):
        raise _Unfit(f"has an alias (CNAME) at {printable(owner.to_text())}; give that name its addresses itself")
    return answer.get_rrset(answer.answer, owner, dns.rdataclass.IN, dns.rdatatype.from_text(kind))


def _text(rdata: dns.rdata.Rdata) -> str:
    if isinstance(rdata, TXT):
        return b"".join(rdata.strings).decode("utf-8", "backslashreplace")
    return rdata.to_text()


def _quoted(kind: str, value: str) -> str:
    """A value as a zone file writes it."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' if kind == "TXT" else value


@dataclass(frozen=True, slots=True)
class Change:
    """One UPDATE (RFC 2136): all of it happens, or nothing.

    Attributes:
        zone: without the final dot.
        before: what the zone must hold for it to happen (RFC 2136 §2.4).
        after: what it shall hold then.
        ttl_s: of the records of `after`.
        soa: the SOA's text with the new serial; a serial that is not later is ignored by the server. Empty: it is not
            touched, and with an empty `after` nothing is changed at all (RFC 2136 §3.2: prerequisites alone).
        soa_ttl: seconds.
    """

    zone: str
    before: Records
    after: Records
    ttl_s: int
    soa: str
    soa_ttl: int

    def message(self, key: TsigKey) -> dns.update.UpdateMessage:
        """What is sent."""
        origin = dns.name.from_text(self.zone)
        message = dns.update.UpdateMessage(origin, keyring=key.keyring)
        for (name, kind), values in self.before.items():
            owner = origin if name == "@" else dns.name.from_text(name, origin)
            if values:
                message.present(owner, kind, *(_quoted(kind, value) for value in sorted(values)))
            else:
                message.absent(owner, kind)
        for (name, kind), values in self.after.items():
            owner = origin if name == "@" else dns.name.from_text(name, origin)
            if values == self.before.get((name, kind)):
                continue
            message.delete(owner, kind)
            for value in sorted(values):
                message.add(owner, self.ttl_s, kind, _quoted(kind, value))
        if self.soa:
            message.replace(origin, self.soa_ttl, "SOA", self.soa)
        return message


def with_serial(soa: str, serial: int) -> str:
    """An SOA's text with another serial."""
    fields = soa.split()
    fields[2] = str(serial)
    return " ".join(fields)


def send_update(change: Change, server: Server, key: TsigKey, line: Line, *, deadline_s: float) -> None:
    """Sends an UPDATE over TCP and believes only a signed answer.

    Raises:
        PrerequisiteFailed, UpdateRefused: nothing was changed.
        NotAnswered: it may have been carried out, or not; look before anything else.
    """
    where = f"The UPDATE of {change.zone} at {server}"
    message = change.message(key)
    try:
        answer = dns.query.tcp(
            message, server.address, timeout=deadline_s, port=line.port, source=line.towards(server.address)
        )
    except dns.tsig.PeerBadKey:
        raise UpdateRefused(
            f"{where} was refused: BADKEY, it does not know the key '{key.name}'. Put the same key into its named.conf."
        ) from None
    except dns.tsig.PeerBadSignature:
        raise UpdateRefused(
            f"{where} was refused: BADSIG, its secret for the key '{key.name}' is another one. "
            "Copy the key file to both sides again."
        ) from None
    except dns.tsig.PeerBadTime:
        raise UpdateRefused(
            f"{where} was refused: BADTIME, the clocks differ by more than 300 s. "
            "Set them, look with: timedatectl; then type the same command again."
        ) from None
    except (dns.tsig.PeerError, dns.tsig.BadSignature, dns.tsig.BadTime, dns.tsig.BadKey) as error:
        raise NotAnswered(f"{where}: the signature of its answer is wrong ({type(error).__name__}).") from None
    except dns.exception.Timeout:
        raise NotAnswered(f"{where} was not answered within {deadline_s:g} s.") from None
    except OSError as error:
        raise NotAnswered(f"{where} found nobody: {error.strerror}. Is named running there?") from None
    except (EOFError, dns.exception.DNSException, ValueError) as error:
        raise NotAnswered(f"{where}: the answer makes no sense ({type(error).__name__}).") from None
    _believe(answer, where, change, key)


def _believe(answer: dns.message.Message, where: str, change: Change, key: TsigKey) -> None:
    code = answer.rcode()
    if code == dns.rcode.NOERROR:
        if not answer.had_tsig:
            raise NotAnswered(f"{where} was answered without a signature: whoever answered does not know the key.")
        return
    word = dns.rcode.to_text(code)
    if code in (dns.rcode.NXRRSET, dns.rcode.YXRRSET, dns.rcode.NXDOMAIN, dns.rcode.YXDOMAIN):
        raise PrerequisiteFailed(
            f"{where} was not carried out ({word}): somebody changed the followed names meanwhile. "
            "Look at them with: failover status"
        )
    meanings = {
        dns.rcode.REFUSED: f"it is not the primary server of {change.zone} (see: rndc zonestatus {change.zone}), "
        f"or does not allow the key '{key.name}' to change it. "
        f'Put into that zone: allow-update {{ key "{key.name}"; }};',
        dns.rcode.NOTAUTH: f"it does not serve {change.zone}. See what it serves with: rndc status",
        dns.rcode.NOTZONE: "a followed name lies outside of the zone. Correct [dns.follow]",
        dns.rcode.NOTIMP: 'it takes no updates at all. Use method = "zonefile"',
        dns.rcode.SERVFAIL: "it failed; can it write its journal? Look at its log with: journalctl -u named",
        dns.rcode.FORMERR: "it did not understand the message",
    }
    raise UpdateRefused(f"{where} was refused: {word}, {meanings.get(code, 'it gave no reason')}.")


def notify_all(servers: Iterable[Server], zone: str, serial_soa: str, line: Line, key: TsigKey | None) -> list[str]:
    """Tells every secondary at once that the zone changed (RFC 1996), over UDP with retries.

    A hint only: what it achieves is seen by asking. Returns, in words, who did not take it.
    """
    targets = list(servers)
    if not targets:
        return []
    with ThreadPoolExecutor(min(_AT_ONCE, len(targets))) as pool:
        return [words for words in pool.map(lambda to: _notify(to, zone, serial_soa, line, key), targets) if words]


def _notify(server: Server, zone: str, soa: str, line: Line, key: TsigKey | None) -> str:
    origin = dns.name.from_text(zone)
    message = dns.message.make_query(origin, "SOA")
    message.set_opcode(dns.opcode.NOTIFY)
    message.flags = (message.flags & ~dns.flags.RD) | dns.flags.AA
    message.answer.append(dns.rrset.from_text(origin, 0, "IN", "SOA", soa))
    if key is not None:
        message.use_tsig(key.keyring)
    why = "no answer"
    source = line.towards(server.address)
    for wait_s in NOTIFY_TRIES_S:
        try:
            answer = dns.query.udp(
                message, server.address, timeout=wait_s, port=line.port, source=source, ignore_unexpected=True
            )
        except dns.exception.Timeout:
            continue
        except OSError as error:
            why = error.strerror or type(error).__name__
            continue
        except (dns.exception.DNSException, ValueError) as error:
            return f"{server} took no NOTIFY: {type(error).__name__}"
        if answer.rcode() == dns.rcode.NOERROR:
            return ""
        return f"{server} took no NOTIFY: {dns.rcode.to_text(answer.rcode())}"
    return f"{server} took no NOTIFY: {why}"
