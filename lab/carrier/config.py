"""/etc/asterisk of the carrier: registrars, the route by address, and the dialplan that places the lab's calls."""

from __future__ import annotations

from typing import Final

from lab.carrier.accounts import ACCOUNTS, BETTER, CARRIER, PAIR, Account
from lab.computer.roots import Root
from lab.world.asterisk_config import common

SECRET: Final = "carrier-Secret9"
"""Of the manager's user `lab`."""


def carrier_files(root: Root, iax_expiry_s: int) -> dict[str, str]:
    """Every file of the carrier's /etc/asterisk, by name."""
    return common(root, "carrier") | {
        "manager.conf": (
            "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nport = 5038\n"
            f"[lab]\nsecret = {SECRET}\nread = system,user,call\nwrite = system,reporting,originate,call,command\n"
        ),
        "pjsip.conf": _PJSIP + "".join(_sip_account(entry) for entry in ACCOUNTS if entry.driver != "iax2"),
        "iax.conf": (
            f"[general]\nbindaddr = {CARRIER}\ndisallow = all\nallow = ulaw\nautokill = yes\n"
            f"minregexpire = {min(10, iax_expiry_s)}\nmaxregexpire = {iax_expiry_s}\n"
        )
        + "".join(_iax_account(entry) for entry in ACCOUNTS if entry.driver == "iax2"),
        "extensions.conf": _EXTENSIONS.replace("{BACK}", "".join(_brought_back(entry) for entry in ACCOUNTS)),
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


def _brought_back(entry: Account) -> str:
    """A customer's call to a number of ours goes to whoever holds it, as with any carrier."""
    number = entry.username
    to = f"IAX2/{number}/{number}" if entry.driver == "iax2" else f"${{PJSIP_DIAL_CONTACTS({number})}}"
    return f"exten => {number},1,Dial({to},20)\n same => n,Hangup()\n"


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

; Calls that customers place: to our own numbers they come back, others are answered by the carrier itself
[from-customer]
{BACK}exten => _X.,1,Answer()
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
