"""What differs between the machines, and what each is made of."""

from __future__ import annotations

import pytest

from failover.checks.compare import differences
from failover.facts.shared_facts import (
    codecs,
    dialplan_digest,
    endpoints,
    expiry_of,
    forwards,
    mailboxes,
    modules,
    queues,
)

SAME = {"pair.toml": "1", "module: chan_sip.so": "Running", "certificate: a.pem": "expires Jun  1 00:00:00 2030 GMT"}


@pytest.mark.parametrize(
    ("there", "clock_s", "names"),
    [
        (SAME, 0.0, []),
        ({**SAME, "pair.toml": "2"}, 0.0, ["pair.toml"]),
        ({**SAME, "module: chan_sip.so": "Not Running"}, 0.0, ["module: chan_sip.so"]),
        ({**SAME, "module: extra.so": "Running"}, 0.0, ["modules on one machine alone"]),
        ({"module": "unknown: it is down", **{k: v for k, v in SAME.items() if "module" not in k}}, 0.0, ["module"]),
        (SAME, 3600.0, ["clock"]),
        ({**SAME, "certificate: a.pem": "expires Jun  1 00:00:00 2020 GMT"}, 0.0, ["certificate: a.pem"] * 2),
    ],
)
def test_what_differs_is_told_once(there: dict[str, str], clock_s: float, names: list[str]) -> None:
    told = [one.name for one in differences(SAME, there, clock_s=clock_s, now=1_800_000_000.0)]
    assert [name.removesuffix(" ends soon") for name in told] == names


def test_what_is_not_known_is_no_difference_that_matters() -> None:
    told = differences({"time zone": "UTC"}, {"time zone": "unknown: no answer"}, clock_s=0.0, now=0.0)
    assert [(one.matters, one.unknown) for one in told] == [(False, True)]


def test_asterisk_lists_are_read_as_it_prints_them() -> None:
    listed = (
        "Module                         Description                              Use Count  Status      Support Level\n"
        "chan_sip.so                    Session Initiation Protocol (SIP)        0          Running          extended\n"
        "res_x.so                       Not Running in this world                0          Not Running          core\n"
        "2 modules loaded\n"
    )
    assert modules(listed) == {"chan_sip.so": "Running", "res_x.so": "Not Running"}
    assert codecs("      ID TYPE   NAME         FORMAT\n       1 audio codec2       codec2  (Codec 2)\n") == {
        "codec2": "audio"
    }
    own = "[ Context 'a' created by 'pbx_config' ]\n  's' =>  1. Answer()  [{where}]\n"
    role = "[ Context 'hotstandby-gate' created by 'pbx_config' ]\n  's' =>  1. GotoIf(1?2)  [role.conf:7]\n"
    first = dialplan_digest(role + own.format(where="extensions.conf:3") + "-= 2 extensions in 2 contexts. =-")
    assert first == dialplan_digest(own.format(where="extensions.conf:9") + "-= 1 extension in 1 context. =-")
    assert first != dialplan_digest(own.replace("Answer", "Hangup").format(where="extensions.conf:3"))


def test_what_lives_in_the_running_asterisk_is_read_as_it_prints_it() -> None:
    pjsip = (
        " Endpoint:  <Endpoint/CID.....................................>  <State.....>  <Channels.>\n"
        "    I/OAuth:  <AuthId/UserName...........................................................>\n"
        " Endpoint:  201/201                                              Not in use    0 of inf\n"
    )
    sip = (
        "Name/username             Host                 Dyn Forcerport Comedia    ACL Port     Status\n"
        "300/300                   10.0.0.9             D  Auto (No)  No             5060     OK (3 ms)\n"
        "1 sip peers [Monitored: 1 online, 0 offline Unmonitored: 0 online, 0 offline]\n"
    )
    assert endpoints(pjsip, sip) == {"201": "pjsip", "300": "sip"}
    assert endpoints("No such command", "No such command") == {}
    said = (
        "sales has 0 calls (max unlimited) in 'ringall' strategy (0s holdtime, 0s talktime), W:0, C:0\n"
        "   Members: \n"
        "      SIP/201 (ringinuse enabled) (dynamic) (Not in use) has taken no calls yet\n"
        "      Ann (PJSIP/202) with penalty 1 (ringinuse enabled) has taken no calls yet\n"
        "   No Callers\n\n"
        "night has 0 calls (max unlimited) in 'linear' strategy (0s holdtime, 0s talktime), W:0\n"
        "   No Members\n   No Callers\n"
    )
    assert queues(said) == ({"sales": "ringall", "night": "linear"}, {"sales SIP/201": "there", "sales Ann": "there"})
    boxes = "Context    Mbox  User  Zone  NewMsg\ndefault    1234  Ann     0\n1 voicemail users\n"
    assert mailboxes(boxes) == {"1234@default": "there"}
    assert forwards("/CFIM/201   : 5552222   \n/DND/202 : YES\n/registrar/x : y\n2 results found.\n") == {
        "CFIM/201": "5552222",
        "DND/202": "YES",
    }


def test_a_certificates_end_is_read_as_openssl_prints_it() -> None:
    assert expiry_of("expires Jun  1 00:00:00 2030 GMT") == 1906502400.0
    assert expiry_of("expires soon") is None
    assert expiry_of("expires Nov 26 00:00:60 2026 GMT") == 1795651259.0
