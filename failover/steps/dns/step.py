"""The DNS step: the followed names point here, every name server says so, and the zone tells who is primary."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import dns.name
import dns.rdata

from failover.bind.named import LocalNamed, NamedRefuses, NamedSilent
from failover.bind.proofread import canonical
from failover.errors import Incomplete, NotProven
from failover.journal.entry import Json
from failover.name_servers.agreement import (
    Agreement,
    NameServer,
    RecordKey,
    WantedRecords,
    ZoneAnswer,
    agreement,
    servers_to_agree,
    summary,
    update_server,
    wanted_records,
)
from failover.name_servers.notify import NotifyOutcome, NotifyResult, notify_all
from failover.name_servers.query import TRIES_S, query_server, query_servers
from failover.name_servers.records import owner_of, text_of
from failover.name_servers.serial import runs_ahead
from failover.name_servers.transport import DnsTransport
from failover.steps.dns import renotify
from failover.steps.dns.bind_role import take_role
from failover.steps.dns.change import UPDATE_DEADLINE_S, PromotedMachine, ZoneChange
from failover.steps.dns.delegated_servers import DelegatedServers
from failover.steps.dns.lag import TELL_EVERY_S, explain_lag, is_behind
from failover.steps.dns.obstacle import zone_obstacle
from failover.steps.dns.renotify import RenotifyTask
from failover.steps.dns.saved_records import records_as_json, records_from_json
from localized.generations.store import GenerationStore
from localized.role import Role
from pair.sections.dns import Dns
from pair.tsig_key import TsigKey

OWN_SETTLE_S: Final = 5.0
"""Seconds until our own named must serve what it was given."""
PEER_HUSH_S: Final = 3.0
"""Seconds for which the silence of a demoted peer's server may be a reload."""
_POLL_S: Final = 0.1


class DnsLags(Incomplete):
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
        named: LocalNamed,
        store: GenerationStore,
        key: TsigKey | None,
        notify_key: TsigKey | None = None,
        dead: Sequence[str] = (),
        peer: str = "",
        remind: Callable[[RenotifyTask], object] = renotify.start,
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
            remind: has somebody go on telling those that lag when this is over.
        """
        self._dns = dns
        self._want = wanted_records(dns, machine, epoch)
        self._named = named
        self._store = store
        self._notify_key = notify_key
        self._dead = frozenset(dead)
        self._fenced = self._dead | ({peer} if peer else set())
        self._own = update_server(dns, machine)
        self._line = DnsTransport.of(dns, machine)
        self._change = ZoneChange(
            dns, PromotedMachine(machine, epoch), self._own, self._line, self._want.keys, named, key
        )
        self._servers = DelegatedServers(dns)
        self._heard: dict[NameServer, Future[ZoneAnswer]] = {}
        self._last: list[ZoneAnswer] = []
        self._remind = remind
        self._not_taken: dict[NameServer, NotifyResult] = {}
        self._tell_from = 0.0
        self._told = ""
        self._until = math.inf
        self._view_key = key if dns.view else None

    def ask_parent(self) -> None:
        """Begins to ask for the delegation, so that the answer is there when it is needed."""
        self._servers.begin()
        for server in servers_to_agree(self._dns, {}):
            if server.name in self._dead:
                self._listen_to(server)

    def _listen_to(self, server: NameServer) -> None:
        """Asks a dead machine's server while the steps before this one run: its silence then costs nothing."""
        heard: Future[ZoneAnswer] = Future()

        def work() -> None:
            try:
                keys = self._want.keys
                heard.set_result(query_server(server, self._dns.zone, keys, self._line, tries_s=TRIES_S[:1]))
            except Exception as error:
                heard.set_exception(error)

        self._heard[server] = heard
        threading.Thread(target=work, daemon=True, name=f"silence of {server.name}").start()

    @property
    def deadline_s(self) -> float:
        """Seconds for apply and verify together."""
        return self._dns.agree_within_s + 2 * UPDATE_DEADLINE_S + OWN_SETTLE_S + 20

    def check(self) -> bool:
        """Whether our server and every one that answers says it already."""
        self._until = time.monotonic() + self.deadline_s
        # A dead machine's server is asked once, in verify: its silence is not waited for twice.
        alive = [server for server in self._servers.all() if server.name not in self._dead]
        own, *others = self._ask([self._own, *alive])
        self._last = [own, *others]
        if agreement(own, self._want, own.serial) is not Agreement.AGREES or not self._is_primary():
            return False
        return all(agreement(seen, self._want, own.serial) in (Agreement.AGREES, Agreement.SILENT) for seen in others)

    def saved(self) -> Mapping[str, Json]:
        """The records as they are, and our DNS role."""
        try:
            own = self._change.own()
        except NotProven:
            if not self._expired():
                raise
            kept = self._of_copy()
            return {"records": kept, "served": kept, "role": "secondary"}
        there = self._change.at_their_names(own)
        return {
            "records": records_as_json(there),
            "served": records_as_json(own.records),
            "role": "" if self._dns.primary else self._named.role(self._dns.zone),
        }

    def _expired(self) -> bool:
        try:
            return not self._dns.primary and not self._named.status(self._dns.zone).loaded
        except (NamedSilent, NamedRefuses):
            return False

    def _of_copy(self) -> Json:
        """The records in a copy that has expired: the boot guard distrusted it, no newer one came, and this machine is
        promoted with what it has."""
        found = canonical(self._named.copy(self._dns.zone) or "")
        origin = dns.name.from_text(self._dns.zone)
        records: dict[RecordKey, frozenset[str]] = {}
        for name, kind in self._want.keys:
            owner = owner_of(name, origin).to_text().lower()
            _, data = found.get((owner, kind), ("", frozenset()))
            records[name, kind] = frozenset(text_of(dns.rdata.from_text("IN", kind, one)) for one in data)
        return records_as_json(records)

    def apply(self) -> None:
        """Takes the zone over if we are its secondary, changes it in one go, and tells every secondary at once.

        named tells them half a second later, and where it has just loaded the zone not before its notify-delay, 5 s.

        Raises:
            NotProven: the zone cannot be changed here; nothing was touched.
        """
        stands = zone_obstacle(self._dns, self._named, self._own.address, self._line)
        if stands:
            raise NotProven(stands)
        if not self._is_primary() or self._rendered_anew():
            take_role(self._named, self._store, Role.DNS_PRIMARY, self._dns.zone)
        self._told = self._change.make(self._want, self._last)
        self._notify()
        self._tell_from = time.monotonic() + TELL_EVERY_S

    def verify(self) -> str:
        """Every server at every address says so, as an authority.

        Raises:
            NotProven: our own server does not.
            DnsLags: another one did not by agree_within_s.
        """
        own = self._wait_own(self._want)
        limit = min(time.monotonic() + self._dns.agree_within_s, self._until)
        others = self._servers.all()
        with ThreadPoolExecutor(max(1, len(others))) as pool:
            answers = list(pool.map(lambda server: self._wait(server, own, limit), others))
        words = summary(answers, self._want, own.serial)
        ahead = runs_ahead(own.serial, datetime.now(UTC))
        words = "; ".join(filter(None, [words, self._servers.unknown, self._told, ahead]))
        lagging = [
            seen
            for seen in answers
            if agreement(seen, self._want, own.serial) is not Agreement.AGREES
            and not (seen.silent and seen.server.name in self._fenced)
        ]
        if lagging:
            raise DnsLags(f"{words}. {self._left(lagging, own)}.")
        return words

    def _left(self, lagging: Sequence[ZoneAnswer], own: ZoneAnswer) -> str:
        """Has those told on that are behind; says who lags, why, and until when that may last."""
        names = ", ".join(str(seen.server) for seen in lagging)
        said = f"Not in agreement after {self._dns.agree_within_s:g} s: {names}"
        whom = tuple(
            seen.server
            for seen in lagging
            if is_behind(seen, own.serial) and not self._dns.primary and seen.server not in self._not_taken
        )
        told_for_s = 0.0
        if whom:
            try:
                self._remind(RenotifyTask(self._dns.zone, self._own, self._line, whom, self._notify_key))
                told_for_s = renotify.LASTS_S
            except OSError as error:
                said += f"; they could not be told on ({error.strerror})"
        why = explain_lag(lagging, own.serial, dead=self._dead, not_taken=self._not_taken, told_for_s=told_for_s)
        return f"{said}; {why}"

    def undo(self, saved: Mapping[str, Json]) -> str:
        """Puts the records back with a later serial, then the role: secondaries never follow a serial backwards."""
        done = []
        if self._is_primary():
            records = records_from_json(saved["records"])
            self._change.make(replace(self._want, records=records), self._last)
            self._notify()
            # A "*" may answer where nothing stands again.
            served = records_from_json(saved.get("served", saved["records"]))
            own = self._wait_own(replace(self._want, records=served))
            done.append(f"the zone says again what it said, serial {own.serial}")
        if saved["role"] == "secondary":
            done.append(take_role(self._named, self._store, Role.DNS_SECONDARY, self._dns.zone))
        return "; ".join(done) or "nothing had changed"

    def _is_primary(self) -> bool:
        return bool(self._dns.primary) or self._named.role(self._dns.zone) == "primary"

    def _rendered_anew(self) -> bool:
        """Whether named still runs on an earlier generation of a primary: its zone may allow a key that is no longer
        ours, and would refuse us for ever."""
        active, newest = self._store.pointed_to(Role.DNS_PRIMARY.link), self._store.newest(Role.DNS_PRIMARY)
        if self._dns.primary or active is None or newest is None:
            return False
        return active.role is Role.DNS_PRIMARY and active.name != newest.name

    def _ask(self, whom: Sequence[NameServer]) -> list[ZoneAnswer]:
        return query_servers(
            whom, self._dns.zone, self._want.keys, self._line, until=self._until, key_for=self._key_for
        )

    def _key_for(self, server: NameServer) -> TsigKey | None:
        """Our own server may have views, and tells them apart by the key."""
        return self._view_key if server.address == self._own.address else None

    def _wait_own(self, want: WantedRecords) -> ZoneAnswer:
        limit = time.monotonic() + OWN_SETTLE_S
        while True:
            own = self._change.own()
            if agreement(own, want, own.serial) is Agreement.AGREES:
                return own
            if time.monotonic() > limit:
                raise NotProven(
                    f"Our own name server does not say what it was given: {summary([own], want, own.serial)}"
                )
            time.sleep(_POLL_S)

    def _wait(self, server: NameServer, own: ZoneAnswer, limit: float) -> ZoneAnswer:
        expected_silent = server.name in self._dead
        if server in self._heard and (seen := self._heard.pop(server).result()).silent:
            return seen
        patience = 0.0 if expected_silent else PEER_HUSH_S
        hush = time.monotonic() + patience if server.name in self._fenced else limit
        tell = self._tell_from
        while True:
            tries = TRIES_S[:1] if expected_silent else TRIES_S
            until = max(limit, time.monotonic()) + sum(tries)
            key = self._key_for(server)
            seen = query_server(
                server, self._dns.zone, self._want.keys, self._line, tries_s=tries, until=until, key=key
            )
            if agreement(seen, self._want, own.serial) is Agreement.AGREES or (
                seen.silent and time.monotonic() >= hush
            ):
                return seen
            if time.monotonic() > limit:
                return seen
            if time.monotonic() >= tell and is_behind(seen, own.serial) and not self._dns.primary:
                (notified,) = notify_all([server], self._dns.zone, own.soa, self._line, self._notify_key)
                self._not_taken.pop(server, None)
                if notified.outcome is not NotifyOutcome.TAKEN:
                    self._not_taken[server] = notified
                tell = time.monotonic() + TELL_EVERY_S
            time.sleep(_POLL_S)

    def _notify(self) -> None:
        own = self._change.own()
        whom = {server.address: server for server in self._servers.all() if server.address != self._own.address}
        for address in self._dns.also_notify:
            whom.setdefault(address, NameServer("also_notify", address))
        whom = {address: server for address, server in whom.items() if server.name not in self._dead}
        notify_all(list(whom.values()), self._dns.zone, own.soa, self._line, self._notify_key)
