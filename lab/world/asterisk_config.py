"""/etc/asterisk of boston and dallas, as their admin would write it before hotstandby renders anything.

What differs by role is included from /etc/hotstandby/localized/current; everything else is the same on both roles.
Asterisk 16 carries SIP, IAX2 and PJSIP trunks at once: chan_sip has port 5060, and chan_pjsip 5062.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lab.carrier.accounts import ACCOUNTS, BETTER, CARRIER
from lab.computer.roots import Release, Root
from lab.world.pair_toml import AMI_SECRET

CURRENT: Final = "/etc/hotstandby/localized/current/asterisk"
PJSIP_PORT: Final[Mapping[Release, int]] = {"16": 5062, "22": 5060}
AGI_DIRECTORY: Final = "/var/lib/asterisk/agi-bin"

_MODULES: Final = """\
; the drivers
chan_iax2 chan_pjsip
; what PJSIP is made of
res_pjproject res_sorcery_config res_sorcery_memory res_sorcery_astdb res_pjsip res_pjsip_session
res_pjsip_outbound_registration res_pjsip_registrar res_pjsip_authenticator_digest
res_pjsip_outbound_authenticator_digest res_pjsip_endpoint_identifier_ip res_pjsip_endpoint_identifier_user
res_pjsip_sdp_rtp res_pjsip_nat res_pjsip_caller_id res_pjsip_header_funcs res_pjsip_rfc3326 res_pjsip_acl
res_pjsip_pubsub res_pjsip_mwi res_pjsip_mwi_body_generator
res_pjsip_dtmf_info res_pjsip_logger res_pjsip_history
; sound
res_rtp_asterisk res_timing_timerfd codec_ulaw codec_alaw format_pcm format_wav bridge_simple bridge_native_rtp
bridge_builtin_features
; the dialplan
pbx_config app_dial app_echo app_playback app_playtones app_stack app_verbose app_userevent app_while app_exec
app_system app_originate app_senddtmf app_read app_record app_softhangup res_clioriginate
res_speech res_agi res_musiconhold res_crypto
func_callerid func_channel func_cut func_db func_dialplan func_env func_global func_groupcount func_hangupcause
func_logic func_math func_module func_shell func_strings func_timeout func_uri func_version func_config
func_pjsip_aor func_pjsip_contact func_pjsip_endpoint func_sorcery func_devstate func_curl res_curl
; events
res_security_log
"""


def modules_conf(root: Root) -> str:
    """modules.conf that loads what a world needs and nothing else: Asterisk is ready in half the time."""
    wanted = [word for line in _MODULES.splitlines() if not line.startswith(";") for word in line.split()]
    if root.release == "16":
        wanted = ["chan_sip", *wanted]
    there = root.path / root.modules.lstrip("/")
    lines = [f"load = {name}.so" for name in wanted if (there / f"{name}.so").exists()]
    return "\n".join(["[modules]", "autoload = no", *lines, ""])


def common(root: Root, system_name: str) -> dict[str, str]:
    """Files of /etc/asterisk that every Asterisk of the world has."""
    return {
        "asterisk.conf": f"""\
[directories]
astetcdir => /etc/asterisk
astmoddir => {root.modules}
astvarlibdir => /var/lib/asterisk
astdbdir => /var/lib/asterisk
astkeydir => /var/lib/asterisk
astdatadir => /usr/share/asterisk
astagidir => {AGI_DIRECTORY}
astspooldir => /var/spool/asterisk
astrundir => /var/run/asterisk
astlogdir => /var/log/asterisk
astsbindir => /usr/sbin

[options]
systemname = {system_name}
documentation_language = en_US
""",
        "modules.conf": modules_conf(root),
        "logger.conf": "[general]\ndateformat = %F %T.%3q\n[logfiles]\nmessages = notice,warning,error,verbose(3)\n",
        "rtp.conf": "[general]\nrtpstart = 10000\nrtpend = 10999\n",
        "acl.conf": "; none\n",
        "users.conf": "[general]\n",
        "cli.conf": "[startup_commands]\n",
        "extconfig.conf": "[settings]\n",
        "features.conf": "[general]\n",
        "sorcery.conf": "[test_sorcery_section]\n",
        "pjproject.conf": "[startup]\ntype = startup\nlog_level = 2\n",
        "musiconhold.conf": "[general]\n",
        "indications.conf": _INDICATIONS,
        **dict.fromkeys(("ccss.conf", "cdr.conf", "cel.conf", "udptl.conf"), "[general]\n"),
    }


def machine_files(root: Root, machine: str) -> dict[str, str]:
    """Every file of a machine's /etc/asterisk, by name."""
    files = common(root, machine)
    files |= {
        "manager.conf": _MANAGER,
        "iax.conf": _IAX,
        "pjsip.conf": _pjsip(root.release),
        "extensions.conf": _EXTENSIONS,
        "extensions_inbound.conf": INBOUND,
    }
    if root.release == "16":
        files["sip.conf"] = _SIP
    return files


_INDICATIONS: Final = """\
[general]
country = us
[us]
description = United States
ringcadence = 2000,4000
dial = 350+440
busy = 480+620/500,0/500
ring = 440+480/2000,0/4000
congestion = 480+620/250,0/250
"""

_MANAGER: Final = f"""\
[general]
enabled = yes
bindaddr = 127.0.0.1
port = 5038

; what a watcher needs and no more: it reads states, and reloads
[hotstandby]
secret = {AMI_SECRET}
deny = 0.0.0.0/0.0.0.0
permit = 127.0.0.1/255.255.255.255
read = system
write = system,reporting
writetimeout = 5000
"""

_SIP: Final = f"""\
[general]
context = nobody
allowguest = no
udpbindaddr = 0.0.0.0:5060
srvlookup = no
registertimeout = 5
registerattempts = 0
minexpiry = 5
disallow = all
allow = ulaw
directmedia = no
#include "{CURRENT}/sip-registrations.conf"
#include "{CURRENT}/sip-address.conf"

[carrier]
type = peer
host = {CARRIER}
insecure = port,invite
context = from-carrier

[better]
type = peer
host = {BETTER}
insecure = port,invite
context = from-better
"""

_IAX: Final = f"""\
[general]
bindaddr = 0.0.0.0
disallow = all
allow = ulaw
autokill = yes
#include "{CURRENT}/iax-registrations.conf"

[metro]
type = friend
host = {CARRIER}
context = from-carrier
"""

INBOUND: Final = """\
; Where calls from outside end up. Tests replace this file and type: dialplan reload
exten => _X.,1,Set(CALLER=${FILTER(0-9,${CALLERID(num)})})
 same => n,Set(FILE(/var/log/asterisk/calls,,,al,u)=${CHANNEL(channeltype)} ${EXTEN} ${CALLER})
 same => n,Answer()
 same => n,Wait(30)
 same => n,Hangup()
"""


def _pjsip(release: Release) -> str:
    head = f"""\
[global]
type = global
user_agent = Asterisk PBX
endpoint_identifier_order = ip,username

[transport-udp]
type = transport
protocol = udp
bind = 0.0.0.0:{PJSIP_PORT[release]}
#include "{CURRENT}/pjsip-address.conf"

[trunk](!)
type = endpoint
transport = transport-udp
disallow = all
allow = ulaw
direct_media = no
context = from-carrier

[trunk-aor](!)
type = aor
contact = sip:{CARRIER}

[carrier](trunk)
[carrier]
type = identify
endpoint = carrier
match = {CARRIER}

[better](trunk)
context = from-better
aors = better
[better]
type = aor
contact = sip:{BETTER}
[better]
type = identify
endpoint = better
match = {BETTER}
"""
    trunks = {
        entry.trunk: "" if entry.machine else f"from_user = {entry.username}\n"
        for entry in ACCOUNTS
        if entry.channel(release) == "pjsip"
    }
    parts = [
        f"\n[{name}](trunk)\naors = {name}\noutbound_auth = {name}\n{caller}[{name}](trunk-aor)\n"
        for name, caller in trunks.items()
    ]
    tail = f'\n#include "{CURRENT}/pjsip-auth.conf"\n#include "{CURRENT}/pjsip-registrations.conf"\n'
    return head + "".join(parts) + tail


_EXTENSIONS: Final = f"""\
[general]
static = yes
writeprotect = yes

[globals]
CARRIER = {CARRIER}
#include "{CURRENT}/role.conf"

[nobody]

[from-carrier]
exten => _X.,1,Goto(inbound,${{EXTEN}},1)
exten => s,1,Goto(inbound,0000000,1)

; A carrier that reaches us by address passes the gate first: a standby refuses there, before anything is answered.
; Until the first rendering there is no gate, and every call is taken.
[from-better]
exten => _X.,1,GotoIf($["${{DIALPLAN_EXISTS(hotstandby-gate,s,1)}}" = "0"]?open)
 same => n,Gosub(hotstandby-gate,s,1(better))
 same => n(open),Goto(inbound,${{EXTEN}},1)

[inbound]
#include "/etc/asterisk/extensions_inbound.conf"
"""
