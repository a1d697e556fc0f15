"""Changes a zone by UPDATE (RFC 2136), signed (RFC 8945), over TCP: all of it happens, or nothing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.tsig
import dns.update

from failover.errors import FailoverError
from failover.name_servers.agreement import NameServer, Records
from failover.name_servers.records import owner_of
from failover.name_servers.transport import DnsTransport
from pair.tsig_key import TsigKey


class UpdateUnanswered(FailoverError):
    """No answer came that could be believed: whether the UPDATE was carried out is not known."""


class UpdateRefused(FailoverError):
    """The server said no; nothing was changed."""


class UpdateNotAllowed(UpdateRefused):
    """The server takes no such change from us: REFUSED."""


class PrerequisiteFailed(UpdateRefused):
    """The zone does not hold what it held a moment ago."""


def _quoted(kind: str, value: str) -> str:
    """A value as a zone file writes it."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' if kind == "TXT" else value


@dataclass(frozen=True, slots=True)
class ZoneUpdate:
    """One UPDATE (RFC 2136): all of it happens, or nothing.

    Attributes:
        zone: without the final dot.
        before: what the zone must hold for it to happen (RFC 2136 §2.4).
        after: what it shall hold then.
        ttl_s: of the records of `after`.
        soa: the SOA's text with the new serial; a serial that is not later is ignored by the server. Empty: it is not
            touched, and with an empty `after` nothing is changed at all (RFC 2136 §3.2: prerequisites alone).
        soa_ttl: seconds.
        impossible: it must not happen: a prerequisite that no zone meets. A server looks at what its policy allows
            first (BIND since 9.18.11), so that its answer tells whether it would have happened.
    """

    zone: str
    before: Records
    after: Records
    ttl_s: int
    soa: str
    soa_ttl: int
    impossible: bool = False

    def never_aliased(self) -> Collection[str]:
        """Names at which nothing was found: an alias there must not be overlooked."""
        present = {name for (name, _), values in self.before.items() if values}
        return sorted({name for name, _ in self.before if name not in present and name != "@"})

    def message(self, key: TsigKey) -> dns.update.UpdateMessage:
        """What is sent."""
        origin = dns.name.from_text(self.zone)
        message = dns.update.UpdateMessage(origin, keyring=key.keyring)
        for (name, kind), values in self.before.items():
            owner = owner_of(name, origin)
            if values:
                message.present(owner, kind, *(_quoted(kind, value) for value in sorted(values)))
            else:
                message.absent(owner, kind)
        if self.impossible:
            message.absent(origin, "SOA")
        for name in self.never_aliased():
            # RFC 2136 §3.4.2.2: what is added beside an alias is dropped without a word.
            message.absent(owner_of(name, origin), "CNAME")
        for (name, kind), values in self.after.items():
            owner = owner_of(name, origin)
            if values == self.before.get((name, kind)):
                continue
            message.delete(owner, kind)
            for value in sorted(values):
                message.add(owner, self.ttl_s, kind, _quoted(kind, value))
        if self.soa:
            message.replace(origin, self.soa_ttl, "SOA", self.soa)
        return message


def grants(change: ZoneUpdate, key: TsigKey) -> str:
    """What an update-policy needs for it; beside allow-update it cannot stand (BIND ARM, "update-policy")."""
    origin = dns.name.from_text(change.zone)
    kinds: dict[str, list[str]] = {}
    for name, kind in (*change.after, ("@", "SOA")):
        kinds.setdefault(owner_of(name, origin).to_text(), []).append(kind)
    return " ".join(f'grant "{key.name}" name {owner} {" ".join(which)};' for owner, which in kinds.items())


def with_serial(soa: str, serial: int) -> str:
    """An SOA's text with another serial."""
    fields = soa.split()
    fields[2] = str(serial)
    return " ".join(fields)


def send_update(change: ZoneUpdate, server: NameServer, key: TsigKey, line: DnsTransport, *, deadline_s: float) -> None:
    """Sends an UPDATE over TCP and believes only a signed answer.

    Raises:
        PrerequisiteFailed, UpdateRefused: nothing was changed.
        UpdateUnanswered: it may have been carried out, or not; look before anything else.
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
        raise UpdateUnanswered(f"{where}: the signature of its answer is wrong ({type(error).__name__}).") from None
    except dns.exception.Timeout:
        raise UpdateUnanswered(f"{where} was not answered within {deadline_s:g} s.") from None
    except OSError as error:
        raise UpdateUnanswered(f"{where} found nobody: {error.strerror}. Is named running there?") from None
    except (EOFError, dns.exception.DNSException, ValueError) as error:
        raise UpdateUnanswered(f"{where}: the answer makes no sense ({type(error).__name__}).") from None
    _believe(answer, where, change, key)


def _believe(answer: dns.message.Message, where: str, change: ZoneUpdate, key: TsigKey) -> None:
    code = answer.rcode()
    if code == dns.rcode.NOERROR:
        if not answer.had_tsig:
            raise UpdateUnanswered(f"{where} was answered without a signature: whoever answered does not know the key.")
        return
    word = dns.rcode.to_text(code)
    if code in (dns.rcode.NXRRSET, dns.rcode.YXRRSET, dns.rcode.NXDOMAIN, dns.rcode.YXDOMAIN):
        raise PrerequisiteFailed(
            f"{where} was not carried out ({word}): somebody changed the followed names meanwhile. "
            "Look at them with: failover status"
        )
    meanings = {
        dns.rcode.REFUSED: f"it is not the primary server of {change.zone} (see: rndc zonestatus {change.zone}), "
        f"or is frozen (rndc thaw {change.zone}), or does not allow the key '{key.name}' to change it. Put into its "
        f"update-policy: {grants(change, key)} Where it has allow-update instead, the key belongs there",
        dns.rcode.NOTAUTH: f"it does not serve {change.zone}. See what it serves with: rndc status",
        dns.rcode.NOTZONE: "a followed name lies outside of the zone. Correct [dns.follow]",
        dns.rcode.NOTIMP: 'it takes no updates at all. Use method = "zonefile"',
        dns.rcode.SERVFAIL: "it failed: it cannot write its journal, or the zone is signed (DNSSEC) and it has no keys "
        "to sign with. Look at its log with: journalctl -u named",
        dns.rcode.FORMERR: "it did not understand the message",
    }
    refused = UpdateNotAllowed if code == dns.rcode.REFUSED else UpdateRefused
    raise refused(f"{where} was refused: {word}, {meanings.get(code, 'it gave no reason')}.")
