"""Changes the zone in one go, by a signed UPDATE or in its file, and only if nobody was promoted later."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from failover.bind.named import LocalNamed, rewrite
from failover.bind.proofread import proofread_edits, read_proofread
from failover.bind.zone_edit import edits, serial_of, values_of
from failover.bind.zone_text import ZoneFileUnclear
from failover.errors import FailoverError, NotProven
from failover.name_servers.agreement import Agreement, NameServer, RecordKey, WantedRecords, ZoneAnswer, agreement
from failover.name_servers.query import keys_from_wildcards, query_server
from failover.name_servers.serial import believed, later, latest, raised
from failover.name_servers.transport import DnsTransport
from failover.name_servers.update import (
    PrerequisiteFailed,
    UpdateNotAllowed,
    UpdateRefused,
    UpdateUnanswered,
    ZoneUpdate,
    grants,
    send_update,
    with_serial,
)
from host.errors import UsageError
from pair.public_role import FAR, NAME, PublicRole, parse
from pair.sections.dns import Dns
from pair.tsig_key import TsigKey

UPDATE_DEADLINE_S: Final = 5.0


class LaterPromotionInZone(NotProven):
    """The zone tells of a promotion of the other machine that is not earlier than this one."""


@dataclass(frozen=True, slots=True)
class PromotedMachine:
    """Whom the zone shall name.

    Attributes:
        machine: this one.
        epoch: number of its promotion.
    """

    machine: str
    epoch: int


class ZoneChange:
    """The zone, at the server that takes our changes."""

    def __init__(
        self,
        dns: Dns,
        promoted: PromotedMachine,
        server: NameServer,
        line: DnsTransport,
        keys: Sequence[RecordKey],
        named: LocalNamed,
        key: TsigKey | None,
    ) -> None:
        self._dns = dns
        self._promoted = promoted
        self._server = server
        self._line = line
        self._keys = keys
        self._named = named
        self._key = key
        self._view_key = key if dns.view else None
        # A machine need not run a name server; every followed name has an address on each.
        self._machines = {machine for addresses in dns.follow.values() for machine in addresses} | dns.servers.keys()

    def own(self) -> ZoneAnswer:
        """What that server says.

        Raises:
            NotProven: it cannot be used.
        """
        own = query_server(self._server, self._dns.zone, self._keys, self._line, key=self._view_key)
        if own.failure:
            raise NotProven(
                f"The name server that takes our changes, {self._server}, cannot be used: {own.failure}. "
                "See to it with: rndc status; rndc zonestatus " + self._dns.zone
            )
        return own

    def make(self, want: WantedRecords, others: Sequence[ZoneAnswer]) -> str:
        """Makes the zone say `want`, with a serial later than any that is believed; nothing if it does already.

        Args:
            want: all of the records.
            others: what the other servers said, for their serials.

        Returns: what has to be told about it, besides that it is done.

        Raises:
            LaterPromotionInZone, NotProven, UpdateRefused, UpdateUnanswered, ZoneFileUnclear, NamedRefuses, NamedSilent
        """
        told: dict[str, list[int]] = {}
        for seen in others:
            if not seen.failure and seen.server.name != self._server.name:
                told.setdefault(seen.server.name, []).append(seen.serial)
        self._require_view()
        return self._edit(want, told) if self._dns.method == "zonefile" else self._update(want, told)

    def _require_view(self) -> None:
        """Whether the view that is meant is the one that answers us: an UPDATE goes where its sender is let in."""
        zone = self._dns.zone
        if self._dns.primary or not self._named.in_views:
            return
        own, block, status = self.own(), self._named.block(zone), self._named.status(zone)
        if block is not None and status.serial not in (0, own.serial):
            raise NotProven(
                f"{zone} has the serial {status.serial} in the view '{block.view}', and our questions are answered "
                f"with {own.serial}, from another view. Let that view match this machine, or the key of dns.key_file "
                "where dns.view names it: match-clients { key …; };"
            )

    def _update(self, want: WantedRecords, told: Mapping[str, Sequence[int]]) -> str:
        if self._key is None:
            raise UsageError(
                "dns.key_file is missing in pair.toml: an UPDATE has to be signed. Make a key: tsig-keygen"
            )
        for attempt in (1, 2):
            own = self.own()
            serials, outliers = believed(own.serial, told)
            there = self.at_their_names(own)
            if Agreement.AGREES in (
                agreement(one, want, latest(serials)) for one in (own, replace(own, records=there))
            ):
                return _words(outliers)
            self._not_overtaken(own)
            soa = with_serial(own.soa, self._later(own, serials))
            change = ZoneUpdate(self._dns.zone, there, want.records, want.ttl_s, soa, own.soa_ttl)
            try:
                return _words(outliers, self._send(change, self._key, serials))
            except (UpdateUnanswered, PrerequisiteFailed):
                # Looked at again before anything is sent again; the prerequisites keep it from happening twice.
                if attempt == 2:
                    raise
        raise AssertionError("unreachable")

    def at_their_names(self, own: ZoneAnswer) -> dict[RecordKey, frozenset[str]]:
        """What stands at the names themselves: what was made from a "*" above them is left out.

        Where that cannot be told from an answer, our server is asked by a prerequisite that changes nothing.
        """
        found = dict(own.records)
        for key in keys_from_wildcards(own, self._dns.zone, self._line, self._view_key):
            nothing = ZoneUpdate(self._dns.zone, {key: frozenset()}, {}, self._dns.ttl_s, "", 0)
            try:
                if self._key is not None:
                    send_update(nothing, self._server, self._key, self._line, deadline_s=UPDATE_DEADLINE_S)
            except PrerequisiteFailed:
                continue
            except (UpdateRefused, UpdateUnanswered):
                pass  # a secondary: what is taken away again is then answered from the "*" as before
            found[key] = frozenset()
        return found

    def _send(self, change: ZoneUpdate, key: TsigKey, serials: Sequence[int]) -> str:
        """Sends it; without the SOA where the server allows us the names alone: then BIND raises the serial."""
        try:
            send_update(change, self._server, key, self._line, deadline_s=UPDATE_DEADLINE_S)
        except UpdateNotAllowed as error:
            if latest(serials) == serials[0]:
                with contextlib.suppress(UpdateNotAllowed):
                    alone = replace(change, soa="")
                    send_update(alone, self._server, key, self._line, deadline_s=UPDATE_DEADLINE_S)
                    return f"the key '{key.name}' may not change the SOA, so the serial was raised by one alone"
            reason = self._reason(change, key)
            raise UpdateNotAllowed(f"{self._server} refuses the UPDATE: {reason}" if reason else str(error)) from None
        return ""

    def _reason(self, change: ZoneUpdate, key: TsigKey) -> str:
        """Why our own named refuses it, and what its zone needs, by what named.conf and named say."""
        zone = self._dns.zone
        if self._dns.primary:
            return ""
        try:
            status, block = self._named.status(zone), self._named.block(zone)
        except FailoverError:
            return ""
        if status.kind != "primary":
            return f"it is {status.kind or status.reason} there. See: rndc zonestatus {zone}"
        if status.frozen:
            return f"{zone} is frozen. Type: rndc thaw {zone}"
        if block is not None and block.update_policy:
            return f"its update-policy does not allow the key '{key.name}' this. Add to it: {grants(change, key)}"
        if status.dynamic:
            return f"its allow-update has no word for the key '{key.name}'. Add to it: key \"{key.name}\";"
        return f"{zone} takes no updates there. Put into its statement: update-policy {{ {grants(change, key)} }};"

    def _edit(self, want: WantedRecords, told: Mapping[str, Sequence[int]]) -> str:
        path = Path(self._dns.zone_file or "")
        self._require_ours(path)
        zone, before = read_proofread(self._dns.zone, path, self._named, want.keys)
        own = self.own()
        present = serial_of(zone, self._dns.zone)
        serials, outliers = believed(own.serial, {**told, "the file": [present]})
        records = {key: values_of(zone, self._dns.zone, key) for key in want.keys}
        file = replace(own, records=records, serial=present)
        # Signed inline, what is served has a later serial than the file.
        served = agreement(own, want, latest(serials)) is Agreement.AGREES
        if agreement(file, want, present if served else latest(serials)) is not Agreement.AGREES:
            self._not_overtaken(file)
            serial = self._later(file, serials)
            made = edits(zone, self._dns.zone, want.records, serial=serial, ttl_s=want.ttl_s)
            changed = proofread_edits(zone, self._dns.zone, made, want.records, self._named, before)
            self._write(zone.files, changed)
        self._named.reload(self._dns.zone)
        return _words(outliers)

    def _require_ours(self, path: Path) -> None:
        """Whether named loads this file, and takes what is written there: it is asked, not the files beside it."""
        zone = self._dns.zone
        status, block = self._named.status(zone), self._named.block(zone)
        if status.dynamic:
            raise ZoneFileUnclear(
                f"{zone} is dynamic (update-policy or allow-update), and an edit of {path} would be lost. "
                'Use method = "update" in [dns].'
            )
        served = block.file if block is not None else None
        # In a chroot, named's own path is the end of ours.
        if served is not None and path.resolve() != served.resolve() and not str(path).endswith(str(served)):
            raise ZoneFileUnclear(
                f"named serves {zone} from {served}, and dns.zone_file is {path}: an edit there would change nothing. "
                "Write the one that it serves into pair.toml."
            )
        if status.secure and not status.inline_signing:
            raise ZoneFileUnclear(
                f"{zone} is signed (DNSSEC) in its own file, {path}, and an edit would make its signatures wrong. Let "
                "named sign it: dnssec-policy with 'inline-signing yes;', and the file that is not signed."
            )

    def _write(self, before: Mapping[Path, bytes], after: Mapping[Path, bytes]) -> None:
        try:
            for path, data in after.items():
                rewrite(path, data)
        except OSError:
            for path in after:
                with contextlib.suppress(OSError):
                    rewrite(path, before[path])
            raise

    def _later(self, own: ZoneAnswer, serials: Sequence[int]) -> int:
        """Later than any that is believed, and than our own server's; by a jump when the zone gets another primary."""
        ours = any(role.machine == self._promoted.machine for role in self._told(own))
        jumps = not (ours or self._dns.primary)
        now = datetime.now(UTC)
        serial = raised(latest(serials), takes_over=jumps, now=now)
        return serial if later(serial, serials[0]) else raised(serials[0], takes_over=jumps, now=now)

    def _not_overtaken(self, own: ZoneAnswer) -> None:
        for role in self._told(own):
            # One that is not near was never given to anybody: a number that was made up must not stop us for ever.
            near = self._promoted.epoch <= role.epoch <= self._promoted.epoch + FAR
            if role.machine != self._promoted.machine and near:
                raise LaterPromotionInZone(
                    f"{self._server} says that {role} is primary, which is not earlier than our promotion "
                    f"{self._promoted.epoch}: both machines were promoted at once. Demote one of them: failover demote"
                )

    def _told(self, own: ZoneAnswer) -> list[PublicRole]:
        texts = own.records.get((NAME, "TXT"), frozenset())
        return [role for text in texts if (role := parse(text, self._machines)) is not None]


def _words(outliers: Mapping[str, int], more: str = "") -> str:
    said = [
        f"{server} tells the serial {serial}, far from ours and alone with it: it is left out"
        for server, serial in sorted(outliers.items())
    ]
    return "; ".join([*said, *([more] if more else [])])
