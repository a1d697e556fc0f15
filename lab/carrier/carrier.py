"""The carrier: a registrar for SIP and IAX2 that calls whoever registered, and a route by address that goes on."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lab.carrier.accounts import ADDRESSES, BY_ADDRESS, PAIR, account, machine_at
from lab.carrier.config import SECRET, carrier_files
from lab.carrier.manager import ManagerConnection, Message
from lab.carrier.registers import Accepted, Answer, RegisterLog
from lab.computer.namespaces import Namespace
from lab.computer.roots import Root
from lab.until import HANG_S, until
from lab.world.machine import Machine

_Get = Callable[[float], Message | None]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One machine that a call tried.

    Attributes:
        machine: which, where the route says it; None for a registered contact that did not answer.
        status: SIP code; for IAX2 the ISDN cause.
        text: as the carrier's Asterisk says it, such as "SIP 503 Service Unavailable".
    """

    machine: str | None
    status: int
    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A call that the carrier placed.

    Attributes:
        machine: who answered, by the address that its answer came from; None when nobody did.
        status: 200 when answered, else the SIP code (IAX2: the ISDN cause) of the last attempt; 480 when nobody is
            registered, 408 when nobody answered in time.
        seconds: from dialling to the answer, or to giving up.
        attempts: those that did not answer, in order.
    """

    machine: str | None
    status: int
    seconds: float
    attempts: tuple[Attempt, ...] = ()


class Carrier(Machine):
    """The carrier's machine; made by World."""

    def __init__(self, lab: Namespace, root: Root) -> None:
        super().__init__(lab, "carrier", root)
        self._calls = itertools.count(1)
        self._log: RegisterLog | None = None
        self._manager: ManagerConnection | None = None

    def prepare(self, *, iax_expiry_s: int) -> None:
        """Writes its configuration and begins to listen; Asterisk is not started yet."""
        for name, text in carrier_files(self._root, iax_expiry_s).items():
            self.write(f"/etc/asterisk/{name}", text)
        self._log = RegisterLog(self.pid)

    def close(self) -> None:
        """Ends what this process holds of it."""
        if self._manager is not None:
            self._manager.close()
        if self._log is not None:
            self._log.close()

    @property
    def _root(self) -> Root:
        assert self.root is not None
        return self.root

    # What it saw

    def answers(self) -> list[Answer]:
        """Every final answer to a registration: accepted, refused, removed; oldest first."""
        return self._log.answers() if self._log is not None else []

    def registers(self, account_name: str | None = None) -> list[Accepted]:
        """Every registration that it accepted, refreshes included, oldest first; of one account where it is named."""
        wanted = account(account_name).username if account_name else None
        return [found for found in self.answers() if found.accepted and wanted in (None, found.account)]

    def holder(self, account_name: str) -> list[str]:
        """Names of the machines that are bound to an account right now, as its Asterisk lists them."""
        entry = account(account_name)
        if entry.driver == "iax2":
            peers = self.manager().list("IAXpeerlist", "PeerlistComplete")
            found = [peer["ipaddress"] for peer in peers if peer["objectname"].split("/")[0] == entry.username]
            addresses = [address for address in found if address not in {"(null)", "(Unspecified)", "-none-"}]
        else:
            contacts = self.manager().list("PJSIPShowContacts", "ContactListComplete")
            addresses = [item["viaaddr"] for item in contacts if item["objectname"].split(";")[0] == entry.username]
        return sorted({machine_at(address) or address for address in addresses})

    def await_holder(self, account_name: str, expected: Sequence[str], *, deadline_s: float = HANG_S) -> float:
        """Seconds until exactly `expected` hold an account.

        Raises:
            LabError: who holds it instead at the deadline.
        """
        begun = time.monotonic()
        until(
            lambda: self.holder(account_name) == sorted(expected),
            f"{account_name} held by {list(expected) or 'nobody'}",
            told=lambda: f"It is held by {self.holder(account_name) or 'nobody'}.",
            deadline_s=deadline_s,
        )
        return time.monotonic() - begun

    # What it does

    def call(
        self,
        number: str,
        *,
        deadline_s: float = 10.0,
        talk_s: float = 0.1,
        caller: str = "6175550100",
        order: Sequence[str] = PAIR,
    ) -> Call:
        """Calls a number and hangs up after a while.

        Args:
            number: an account (user name or trunk) or "better", the route by address.
            deadline_s: seconds that it may ring, for each attempt.
            talk_s: seconds that an answered call goes on.
            caller: the caller's number.
            order: machines that the route by address tries.
        """
        targets = self._route(number, order)
        identity = f"lab-{next(self._calls)}"
        manager = self.manager()
        listening = manager.listen("labcall")
        begun = time.monotonic()
        try:
            variables = {"LABCALL": identity, "TARGETS": "&".join(targets), "RING": f"{deadline_s:g}"}
            manager.action(
                "Originate",
                Channel="Local/dial@lab/n",
                Application="Wait",
                Data="3600",
                CallerID=f'"{caller}" <{caller}>',
                Timeout=str(int((deadline_s * len(targets) + 5) * 1000)),
                Async="true",
                Variable="\x1f".join(f"__{name}={value}" for name, value in variables.items()),
            )
            return self._follow(identity, listening.get, begun, deadline_s * len(targets) + 5, talk_s)
        finally:
            listening.close()

    def _route(self, number: str, order: Sequence[str]) -> list[str]:
        if number in ("better", BY_ADDRESS):
            return [f"PJSIP/better-{name}/sip:{BY_ADDRESS}@{ADDRESSES[name]}:5060" for name in order]
        entry = account(number)
        if entry.driver == "iax2":
            return [f"IAX2/{entry.username}/{entry.username}"]
        return [f"contacts:{entry.username}"]

    def _follow(self, identity: str, get: _Get, begun: float, deadline_s: float, talk_s: float) -> Call:
        attempts: list[Attempt] = []
        given_up = 408
        while (left := begun + deadline_s - time.monotonic()) > 0 and (event := get(left)) is not None:
            if event["labcall"] != identity:
                continue
            kind = event.get("userevent")
            if kind == "LabTried" and event["labstatus"] == "NOANSWER":
                attempts.append(Attempt(_machine_in(event["labtarget"]), 408, "no answer"))
            if kind == "LabAnswered":
                seconds = time.monotonic() - begun
                time.sleep(talk_s)
                self.manager().action("Hangup", Channel=event["labchannel"])
                return Call(machine_at(_address_in(event["labaddress"])), 200, seconds, tuple(attempts))
            if kind == "LabCause":
                attempts.append(_attempt(event))
            elif kind == "LabDone":
                given_up = 480
                break
        status = attempts[-1].status if attempts else given_up
        return Call(None, status, time.monotonic() - begun, tuple(attempts))

    def manager(self) -> ManagerConnection:
        """The lab's connection to its manager interface."""
        if self._manager is not None and not self._manager.alive:
            self._manager.close()
            self._manager = None
        if self._manager is None:
            self._manager = ManagerConnection(self.connect("127.0.0.1", 5038), "lab", SECRET)
        return self._manager


def _attempt(event: Message) -> Attempt:
    """What one channel of the carrier was told: "SIP 503 Service Unavailable", or "IAX2 REJECT (50)"."""
    text = event.get("labtech", "")
    code = next((int(word.strip("()")) for word in text.split() if word.strip("()").isdigit()), 0)
    return Attempt(_machine_in(event.get("labchannel", "")), code, text)


def _machine_in(route: str) -> str | None:
    return next((name for name in PAIR if f"/better-{name}" in route), None)


def _address_in(text: str) -> str:
    """The IPv4 address in a SIP URI, or in what is one already."""
    found = re.search(r"\d+\.\d+\.\d+\.\d+", text)
    return found.group() if found else ""
