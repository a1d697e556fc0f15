"""The carrier: a registrar for SIP and IAX2 that calls whoever registered, and a route by address that goes on."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from lab.accounts import ACCOUNTS, ADDRESSES, BETTER, BY_ADDRESS, CARRIER, PAIR, Account, account, machine_at
from lab.ami import ManagerConnection, Message
from lab.asterisk_config import common
from lab.errors import LabError
from lab.machine import Machine
from lab.namespaces import Namespace
from lab.registers import Accepted, Answer, RegisterLog
from lab.roots import Root

_SECRET: Final = "carrier-Secret9"

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

    def await_holder(self, account_name: str, expected: Sequence[str], *, deadline_s: float = 10.0) -> float:
        """Seconds until exactly `expected` hold an account.

        Raises:
            LabError: who holds it instead at the deadline.
        """
        begun = time.monotonic()
        while (held := self.holder(account_name)) != sorted(expected):
            if time.monotonic() - begun > deadline_s:
                raise LabError(f"{account_name} is held by {held or 'nobody'}, not by {list(expected) or 'nobody'}")
            time.sleep(0.05)
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
            self._manager = ManagerConnection(self.connect("127.0.0.1", 5038), "lab", _SECRET)
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


def carrier_files(root: Root, iax_expiry_s: int) -> dict[str, str]:
    """Every file of the carrier's /etc/asterisk, by name."""
    return common(root, "carrier") | {
        "manager.conf": (
            "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nport = 5038\n"
            f"[lab]\nsecret = {_SECRET}\nread = system,user,call\nwrite = system,reporting,originate,call,command\n"
        ),
        "pjsip.conf": _PJSIP + "".join(_sip_account(entry) for entry in ACCOUNTS if entry.driver != "iax2"),
        "iax.conf": (
            f"[general]\nbindaddr = {CARRIER}\ndisallow = all\nallow = ulaw\nautokill = yes\n"
            f"minregexpire = {min(10, iax_expiry_s)}\nmaxregexpire = {iax_expiry_s}\n"
        )
        + "".join(_iax_account(entry) for entry in ACCOUNTS if entry.driver == "iax2"),
        "extensions.conf": _EXTENSIONS,
    }


def _sip_account(entry: Account) -> str:
    contacts, replace = {"replaces": (1, "yes"), "rings_both": (5, "no"), "refused": (1, "no")}[entry.second]
    name = entry.username
    return f"""
[{name}](customer)
auth = {name}
aors = {name}
[{name}]
type = auth
auth_type = userpass
username = {name}
password = {entry.secret}
[{name}]
type = aor
max_contacts = {contacts}
remove_existing = {replace}
minimum_expiration = 5
default_expiration = 60
"""


def _iax_account(entry: Account) -> str:
    return f"""
[{entry.username}]
type = friend
host = dynamic
secret = {entry.secret}
auth = md5
context = from-customer
"""


_PJSIP: Final = f"""\
[global]
type = global
user_agent = Carrier
contact_expiration_check_interval = 1
endpoint_identifier_order = username,auth_username,ip

[transport-udp]
type = transport
protocol = udp
bind = {CARRIER}:5060

[transport-better]
type = transport
protocol = udp
bind = {BETTER}:5060

[customer](!)
type = endpoint
transport = transport-udp
disallow = all
allow = ulaw
direct_media = no
context = from-customer
""" + "".join(
    f"""
[better-{name}]
type = endpoint
transport = transport-better
disallow = all
allow = ulaw
direct_media = no
context = from-customer
from_domain = {BETTER}
"""
    for name in PAIR
)

_EXTENSIONS: Final = """\
[general]
static = yes
writeprotect = yes

; Calls that customers place: answered, so that outbound calls can be proven
[from-customer]
exten => _X.,1,Answer()
 same => n,Wait(30)
 same => n,Hangup()

[lab]
exten => dial,1,Set(LEFT=${TARGETS})
 same => n(next),GotoIf($["${LEFT}" = ""]?done)
 same => n,Set(TARGET=${CUT(LEFT,&,1)})
 same => n,Set(LEFT=${CUT(LEFT,&,2-)})
 same => n,GotoIf($["${TARGET:0:9}" != "contacts:"]?known)
 same => n,Set(TARGET=${PJSIP_DIAL_CONTACTS(${TARGET:9})})
 same => n(known),GotoIf($["${TARGET}" = ""]?next)
 same => n,Dial(${TARGET},${RING},U(lab-answered,s,1))
 same => n,UserEvent(LabTried,LabCall: ${LABCALL},LabTarget: ${TARGET},LabStatus: ${DIALSTATUS})
 same => n,Set(KEYS=${HANGUPCAUSE_KEYS()})
 same => n(key),GotoIf($["${KEYS}" = ""]?next)
 same => n,Set(KEY=${CUT(KEYS,\\,,1)})
 same => n,Set(KEYS=${CUT(KEYS,\\,,2-)})
 same => n,Set(WHY=LabTech: ${HANGUPCAUSE(${KEY},tech)},LabCause: ${HANGUPCAUSE(${KEY},ast)})
 same => n,UserEvent(LabCause,LabCall: ${LABCALL},LabChannel: ${KEY},${WHY})
 same => n,Goto(key)
 same => n(done),UserEvent(LabDone,LabCall: ${LABCALL})
 same => n,Hangup()

[lab-answered]
exten => s,1,GotoIf($["${CHANNEL(channeltype)}" = "IAX2"]?iax)
 same => n,Set(ADDRESS=${CHANNEL(pjsip,target_uri)})
 same => n,Goto(say)
 same => n(iax),Set(ADDRESS=${CHANNEL(peerip)})
 same => n(say),UserEvent(LabAnswered,LabCall: ${LABCALL},LabChannel: ${CHANNEL},LabAddress: ${ADDRESS})
 same => n,Return()
"""
