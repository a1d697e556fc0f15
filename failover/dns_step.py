"""The DNS step: the followed names point here, every name server says so, and the zone tells who is primary."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Final

from failover.dns_delegation import DelegationUnknown, delegated
from failover.dns_facts import RecordKey, Records, Seen, Server, Verdict, Wanted, judge, servers, summary, wanted
from failover.dns_role import take_role
from failover.dns_wire import (
    TRIES_S,
    Change,
    Line,
    NotAnswered,
    PrerequisiteFailed,
    ask,
    ask_all,
    notify_all,
    send_update,
    with_serial,
)
from failover.entry import Json
from failover.errors import LeftOpen, NotProven
from failover.named import Named, NamedRefuses, rewrite
from failover.public_role import NAME, parse
from failover.serial import TAKEOVER_JUMP, latest, plus
from failover.tsig_key import TsigKey
from failover.zone_edit import applied, edits, serial_of, values_of
from failover.zone_text import ZoneFileUnclear, read_zone
from host.errors import UsageError
from localized.generations import Store
from localized.role import Role
from pair.dns import Dns

UPDATE_DEADLINE_S: Final = 5.0
OWN_SETTLE_S: Final = 5.0
"""Seconds until our own named must serve what it was given."""
PEER_HUSH_S: Final = 3.0
"""Seconds for which the silence of a demoted peer's server may be a reload."""
_POLL_S: Final = 0.1
DELEGATION_S: Final = 5.0
"""Seconds for finding and asking the parent; it is asked while the steps before this one run."""


class DnsLags(LeftOpen):
    """The zone is changed, and some server still says otherwise or nothing; it is named with what it said."""


class DnsStep:
    """Points the followed names at a machine, by UPDATE or by the zone file, after taking the zone over if need be."""

    name = "dns"

    def __init__(
        self,
        dns: Dns,
        machine: str,
        epoch: int,
        *,
        named: Named,
        store: Store,
        key: TsigKey | None,
        notify_key: TsigKey | None = None,
        dead: Sequence[str] = (),
        peer: str = "",
    ) -> None:
        """
        Args:
            dns: [dns].
            machine: this one, which the names shall point at.
            epoch: number of the promotion.
            named: our own.
            store: what is rendered here.
            key: signs updates; None for method zonefile.
            notify_key: signs NOTIFY, where secondaries want it.
            dead: names of servers on a machine that is fenced: their silence is expected, and misleads nobody.
            peer: the other machine: fenced as well, if not dead; its silence is waited out for a moment only.
        """
        self._dns = dns
        self._machine = machine
        self._want = wanted(dns, machine, epoch)
        self._named = named
        self._store = store
        self._key = key
        self._notify_key = notify_key
        self._dead = frozenset(dead)
        self._fenced = self._dead | ({peer} if peer else set())
        own = (
            Server(dns.primary, dns.servers[dns.primary]) if dns.primary else Server(machine, dns.own_address(machine))
        )
        self._own = own
        self._line = Line(dns.port, dns.own.get(machine) or dns.servers.get(machine, ""))
        self._others: list[Server] | None = None
        self._asking: Future[dict[str, tuple[str, ...]]] | None = None
        self._unknown = ""
        self._last: list[Seen] = []

    def ask_parent(self) -> None:
        """Begins to ask for the delegation, so that the answer is there when it is needed."""
        asking: Future[dict[str, tuple[str, ...]]] = Future()

        def work() -> None:
            try:
                asking.set_result(delegated(self._dns))
            except Exception as error:
                asking.set_exception(error)

        self._asking = asking
        # A daemon: a resolver that died together with the peer must not keep the command from ending.
        threading.Thread(target=work, daemon=True, name="delegation").start()

    @property
    def deadline_s(self) -> float:
        """Seconds for apply and verify together."""
        return self._dns.agree_within_s + 2 * UPDATE_DEADLINE_S + OWN_SETTLE_S + 20

    def check(self) -> bool:
        """Whether our server and every one that answers says it already."""
        # A dead machine's server is asked once, in verify: its silence is not waited for twice.
        alive = [server for server in self._servers() if server.name not in self._dead]
        own, *others = self._ask([self._own, *alive])
        self._last = [own, *others]
        if judge(own, self._want, own.serial) is not Verdict.AGREES or not self._is_primary():
            return False
        return all(judge(seen, self._want, own.serial) in (Verdict.AGREES, Verdict.SILENT) for seen in others)

    def saved(self) -> Mapping[str, Json]:
        """The records as they are, and our DNS role."""
        own = self._own_seen()
        records = [[name, kind, sorted(values)] for (name, kind), values in own.records.items()]
        return {"records": records, "role": "" if self._dns.primary else self._named.role(self._dns.zone)}

    def apply(self) -> None:
        """Takes the zone over if we are its secondary, changes it in one go, and tells every secondary at once."""
        if not self._is_primary():
            take_role(self._named, self._store, Role.DNS_PRIMARY, self._dns.zone)
        self._change(self._want)
        self._notify()

    def verify(self) -> str:
        """Every server at every address says so, as an authority.

        Raises:
            NotProven: our own server does not.
            DnsLags: another one did not by agree_within_s.
        """
        own = self._wait_own(self._want)
        limit = time.monotonic() + self._dns.agree_within_s
        others = self._servers()
        with ThreadPoolExecutor(max(1, len(others))) as pool:
            answers = list(pool.map(lambda server: self._wait(server, own.serial, limit), others))
        words = summary(answers, self._want, own.serial)
        if self._unknown:
            words += f"; {self._unknown}"
        lagging = [
            seen.server
            for seen in answers
            if judge(seen, self._want, own.serial) is not Verdict.AGREES
            and not (seen.silent and seen.server.name in self._fenced)
        ]
        if lagging:
            names = ", ".join(str(server) for server in lagging)
            raise DnsLags(
                f"{words}. Not in agreement after {self._dns.agree_within_s:g} s: {names}. See to them there."
            )
        return words

    def undo(self, saved: Mapping[str, Json]) -> str:
        """Puts the records back with a later serial, then the role: secondaries never follow a serial backwards."""
        done = []
        if self._is_primary():
            records = _records(saved["records"])
            self._change(replace(self._want, records=records))
            self._notify()
            own = self._wait_own(replace(self._want, records=records))
            done.append(f"the zone says again what it said, serial {own.serial}")
        if saved["role"] == "secondary":
            done.append(take_role(self._named, self._store, Role.DNS_SECONDARY, self._dns.zone))
        return "; ".join(done) or "nothing had changed"

    def _is_primary(self) -> bool:
        return bool(self._dns.primary) or self._named.role(self._dns.zone) == "primary"

    def _servers(self) -> list[Server]:
        if self._others is None:
            named: Mapping[str, Sequence[str]] = {}
            try:
                if self._asking is None:
                    self.ask_parent()
                assert self._asking is not None
                named = self._asking.result(DELEGATION_S)
            except DelegationUnknown as error:
                self._unknown = str(error)
            except TimeoutError:
                self._unknown = f"the parent of {self._dns.zone} was not found in {DELEGATION_S:g} s; set dns.parent"
            self._others = servers(self._dns, named)
        return self._others

    def _ask(self, whom: Sequence[Server]) -> list[Seen]:
        return ask_all(whom, self._dns.zone, self._want.keys, self._line)

    def _own_seen(self) -> Seen:
        """Our server's answer.

        Raises:
            NotProven
        """
        own = ask(self._own, self._dns.zone, self._want.keys, self._line)
        if own.failure:
            raise NotProven(
                f"The name server that takes our changes, {self._own}, cannot be used: {own.failure}. "
                "See to it with: rndc status; rndc zonestatus " + self._dns.zone
            )
        return own

    def _wait_own(self, want: Wanted) -> Seen:
        limit = time.monotonic() + OWN_SETTLE_S
        while True:
            own = self._own_seen()
            if judge(own, want, own.serial) is Verdict.AGREES:
                return own
            if time.monotonic() > limit:
                raise NotProven(
                    f"Our own name server does not say what it was given: {summary([own], want, own.serial)}"
                )
            time.sleep(_POLL_S)

    def _wait(self, server: Server, serial: int, limit: float) -> Seen:
        expected_silent = server.name in self._dead
        patience = 0.0 if expected_silent else PEER_HUSH_S
        hush = time.monotonic() + patience if server.name in self._fenced else limit
        while True:
            tries = TRIES_S[:1] if expected_silent else TRIES_S
            seen = ask(server, self._dns.zone, self._want.keys, self._line, tries_s=tries)
            if judge(seen, self._want, serial) is Verdict.AGREES or (seen.silent and time.monotonic() >= hush):
                return seen
            if time.monotonic() > limit:
                return seen
            time.sleep(_POLL_S)

    def _next_serial(self, own: Seen, present: int) -> int:
        """Later than any that was seen; by a jump when the zone gets another primary."""
        seen = [present, *(answer.serial for answer in self._last if not answer.failure)]
        before = [parse(text, self._dns.servers) for text in own.records.get((NAME, "TXT"), frozenset())]
        ours = any(role is not None and role.machine == self._machine for role in before)
        return plus(latest(seen), 1 if ours or self._dns.primary else TAKEOVER_JUMP)

    def _change(self, want: Wanted) -> None:
        if self._dns.method == "zonefile":
            self._edit(want)
        else:
            self._update(want)

    def _update(self, want: Wanted) -> None:
        if self._key is None:
            raise UsageError(
                "dns.key_file is missing in pair.toml: an UPDATE has to be signed. Make a key: tsig-keygen"
            )
        for attempt in (1, 2):
            own = self._own_seen()
            present = latest([own.serial, *(seen.serial for seen in self._last if not seen.failure)])
            if judge(own, want, present) is Verdict.AGREES:
                return
            soa = with_serial(own.soa, self._next_serial(own, own.serial))
            change = Change(self._dns.zone, own.records, want.records, want.ttl_s, soa, own.soa_ttl)
            try:
                send_update(change, self._own, self._key, self._line, deadline_s=UPDATE_DEADLINE_S)
            except (NotAnswered, PrerequisiteFailed):
                # Looked at again before anything is sent again; the prerequisites keep it from happening twice.
                if attempt == 2:
                    raise
                continue
            return

    def _edit(self, want: Wanted) -> None:
        path = Path(self._dns.zone_file or "")
        if path.with_name(path.name + ".jnl").exists():
            raise ZoneFileUnclear(
                f"{path} has a journal beside it: the zone is dynamic, and an edit would be lost. "
                'Use method = "update" in [dns].'
            )
        zone = read_zone(path, self._dns.zone, Path.read_bytes, self._named.directory())
        present = serial_of(zone, self._dns.zone)
        own = self._own_seen()
        records = {key: values_of(zone, self._dns.zone, key) for key in want.keys}
        told = Seen(self._own, records=records, serial=present)
        if judge(told, want, latest([present, *(seen.serial for seen in self._last if not seen.failure)])) is not (
            Verdict.AGREES
        ):
            serial = self._next_serial(told, latest([present, own.serial]))
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

    def _notify(self) -> None:
        own = self._own_seen()
        whom = {server.address: server for server in self._servers() if server.address != self._own.address}
        for address in self._dns.also_notify:
            whom.setdefault(address, Server("also_notify", address))
        whom = {address: server for address, server in whom.items() if server.name not in self._dead}
        notify_all(list(whom.values()), self._dns.zone, own.soa, self._line, self._notify_key)


def _records(saved: Json) -> Records:
    """Records as `saved` wrote them."""
    found: dict[RecordKey, frozenset[str]] = {}
    assert isinstance(saved, Sequence)
    for item in saved:
        assert isinstance(item, Sequence)
        name, kind, values = item
        assert isinstance(values, Sequence)
        found[str(name), str(kind)] = frozenset(str(value) for value in values)
    return found
