"""Changes the zone in one go, by a signed UPDATE or in its file, and only if nobody was promoted later."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from failover.dns.facts import RecordKey, Seen, Server, Verdict, Wanted, judge
from failover.dns.named import Named, NamedRefuses, rewrite
from failover.dns.public_role import NAME, PublicRole, parse
from failover.dns.serial import TAKEOVER_JUMP, latest, plus
from failover.dns.tsig_key import TsigKey
from failover.dns.wire import Change, Line, NotAnswered, PrerequisiteFailed, ask, send_update, with_serial
from failover.dns.zone_edit import applied, edits, serial_of, values_of
from failover.dns.zone_text import ZoneFileUnclear, read_zone
from failover.errors import NotProven
from host.errors import UsageError
from pair.dns import Dns

UPDATE_DEADLINE_S: Final = 5.0


class Overtaken(NotProven):
    """The zone tells of a promotion of the other machine that is not earlier than this one."""


@dataclass(frozen=True, slots=True)
class Promoted:
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
        promoted: Promoted,
        server: Server,
        line: Line,
        keys: Sequence[RecordKey],
        named: Named,
        key: TsigKey | None,
    ) -> None:
        self._dns = dns
        self._promoted = promoted
        self._server = server
        self._line = line
        self._keys = keys
        self._named = named
        self._key = key

    def own(self) -> Seen:
        """What that server says.

        Raises:
            NotProven: it cannot be used.
        """
        own = ask(self._server, self._dns.zone, self._keys, self._line)
        if own.failure:
            raise NotProven(
                f"The name server that takes our changes, {self._server}, cannot be used: {own.failure}. "
                "See to it with: rndc status; rndc zonestatus " + self._dns.zone
            )
        return own

    def make(self, want: Wanted, others: Sequence[Seen]) -> None:
        """Makes the zone say `want`, with a serial later than any that was seen; nothing if it does already.

        Args:
            want: all of the records.
            others: what the other servers said, for their serials.

        Raises:
            Overtaken, NotProven, UpdateRefused, NotAnswered, ZoneFileUnclear, NamedRefuses, NamedSilent
        """
        serials = [seen.serial for seen in others if not seen.failure]
        if self._dns.method == "zonefile":
            self._edit(want, serials)
        else:
            self._update(want, serials)

    def _update(self, want: Wanted, serials: list[int]) -> None:
        if self._key is None:
            raise UsageError(
                "dns.key_file is missing in pair.toml: an UPDATE has to be signed. Make a key: tsig-keygen"
            )
        for attempt in (1, 2):
            own = self.own()
            seen = latest([own.serial, *serials])
            if judge(own, want, seen) is Verdict.AGREES:
                return
            self._not_overtaken(own)
            soa = with_serial(own.soa, self._later(own, seen))
            change = Change(self._dns.zone, own.records, want.records, want.ttl_s, soa, own.soa_ttl)
            try:
                send_update(change, self._server, self._key, self._line, deadline_s=UPDATE_DEADLINE_S)
            except (NotAnswered, PrerequisiteFailed):
                # Looked at again before anything is sent again; the prerequisites keep it from happening twice.
                if attempt == 2:
                    raise
                continue
            return

    def _edit(self, want: Wanted, serials: list[int]) -> None:
        path = Path(self._dns.zone_file or "")
        if path.with_name(path.name + ".jnl").exists():
            raise ZoneFileUnclear(
                f"{path} has a journal beside it: the zone is dynamic, and an edit would be lost. "
                'Use method = "update" in [dns].'
            )
        zone = read_zone(path, self._dns.zone, Path.read_bytes, self._named.directory())
        present = serial_of(zone, self._dns.zone)
        records = {key: values_of(zone, self._dns.zone, key) for key in want.keys}
        told = Seen(self._server, records=records, serial=present)
        if judge(told, want, latest([present, *serials])) is not Verdict.AGREES:
            self._not_overtaken(told)
            serial = self._later(told, latest([present, self.own().serial, *serials]))
            made = edits(zone, self._dns.zone, want.records, serial=serial, ttl_s=want.ttl_s)
            self._write(zone.files, applied(zone, made), path)
        self._named.reload(self._dns.zone)

    def _write(self, before: Mapping[Path, bytes], after: Mapping[Path, bytes], main: Path) -> None:
        try:
            for path, data in after.items():
                rewrite(path, data)
            self._named.check_zone(self._dns.zone, main)
        except (NamedRefuses, OSError):
            for path in after:
                with contextlib.suppress(OSError):
                    rewrite(path, before[path])
            raise

    def _later(self, own: Seen, seen: int) -> int:
        """Later than any that was seen; by a jump when the zone gets another primary."""
        ours = any(role.machine == self._promoted.machine for role in self._told(own))
        return plus(seen, 1 if ours or self._dns.primary else TAKEOVER_JUMP)

    def _not_overtaken(self, own: Seen) -> None:
        for role in self._told(own):
            if role.machine != self._promoted.machine and role.epoch >= self._promoted.epoch:
                raise Overtaken(
                    f"{self._server} says that {role} is primary, which is not earlier than our promotion "
                    f"{self._promoted.epoch}: both machines were promoted at once. Demote one of them: failover demote"
                )

    def _told(self, own: Seen) -> list[PublicRole]:
        texts = own.records.get((NAME, "TXT"), frozenset())
        return [role for text in texts if (role := parse(text, self._dns.servers)) is not None]
