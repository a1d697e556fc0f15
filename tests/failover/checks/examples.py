"""What was seen of a good pair, to start tests of the checks and their views from."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from failover.bind.named_conf import ZoneStatement, read
from failover.facts.facts import AsteriskFiles, Depth, Facts, Files, NamedFacts
from failover.peer.messages import AsteriskStatus
from failover.peer.remote import PeerEvidence
from failover.probe_result import ProbeAnswer, ProbeResult
from failover.probes.evidence import Evidence, OwnAsterisk, clock
from failover.probes.name_server import ServerAnswer
from pair import Pair, parse
from pair.public_role import PublicRole, RoleAnswer
from tests.failover.peer.test_messages import status
from tests.pair.example import EXAMPLE, example

PAIR = example()
NOW = datetime(2026, 3, 14, 3, 12, tzinfo=UTC)


def found(probe: str, answer: ProbeAnswer, words: str = "") -> ProbeResult:
    return ProbeResult(probe, "boston", "", answer, words or f"{probe} {answer.value}", 0.01)


BOSTON = status(machine="boston", role="primary", right_held=True, is_primary=True, pair_digest=PAIR.digest)
ASKED = PeerEvidence(found("ssh", ProbeAnswer.YES), BOSTON, 0.1, 0.2)
DEAD = PeerEvidence(found("ssh", ProbeAnswer.SILENT, "boston's ssh hung for 5 s"), None)
TOLD = PublicRole(7, "boston")
OWN = OwnAsterisk(found("asterisk", ProbeAnswer.YES), AsteriskStatus(state="answers", words="it answers", listed=True))
CARRIERS = {"acme": found("sip", ProbeAnswer.YES), "own": found("iax", ProbeAnswer.YES)}


def evidence(peer: PeerEvidence = ASKED, own: OwnAsterisk = OWN, dns: ProbeAnswer = ProbeAnswer.YES) -> Evidence:
    servers = tuple(
        ServerAnswer(
            ProbeResult("dns", name, "", dns if name == "dallas" else ProbeAnswer.YES, name, 0.0),
            RoleAnswer(name, True, TOLD, ""),
            1,
        )
        for name in ("boston", "dallas", "ns3")
    )
    return Evidence(peer, (), servers, own, clock("boston", peer))


SILENT_OWN = OwnAsterisk(
    found("asterisk", ProbeAnswer.SILENT),
    AsteriskStatus(state="silent", words="dallas's Asterisk hangs"),
    ("dallas's Asterisk hangs. There, type: systemctl status asterisk",),
)
FILES = Files(generation="3-primary-0123456789ab", age_s=60.0)
READY = Facts(
    pair=PAIR,
    machine="dallas",
    depth=Depth.READY,
    now=NOW,
    evidence=evidence(),
    epoch=7,
    files=FILES,
    free_bytes=10**9,
    proven={"acme": 1.0},
    carriers=CARRIERS,
)
"""Of a standby that could be promoted."""

ZONE = """
zone "acme.example" IN {{
\tfile "/var/lib/bind/acme.example.zone";
\tmasterfile-format {format};
\ttype {type};
\tprimaries  {{
{primaries}
\t}};
}};
"""


def zone(*listed: str, kind: str = "secondary", form: str = "text") -> ZoneStatement:
    lines = "\n".join(f"\t\t{address};" for address in listed)
    [statement] = read(ZONE.format(format=form, type=kind, primaries=lines), Path("/etc/bind")).zones
    return statement


def pair(*changes: tuple[str, str]) -> Pair:
    """The example, with some of its text replaced."""
    text = EXAMPLE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return parse(text.encode(), Path("pair.toml"))


def in_pair(facts: Facts, *changes: tuple[str, str]) -> Facts:
    """The same facts of another pair, whose peer has the same pair.toml."""
    changed = pair(*changes)
    boston = BOSTON.model_copy(update={"pair_digest": changed.digest})
    return replace(facts, pair=changed, evidence=replace(facts.evidence, peer=replace(ASKED, status=boston)))


NEVER_GIVES_UP = {
    "type": "registration",
    "max_retries": "1000000",
    "forbidden_retry_interval": "30",
    "fatal_retry_interval": "30",
    "auth_rejection_permanent": "no",
}
MANAGER_USER = {"writetimeout": "5000", "read": "system", "write": "system,reporting"}
NAMED = NamedFacts(block=zone("192.0.2.11"), running_type="secondary", user="bind")
ASTERISK = AsteriskFiles(
    sip_general={"register_retry_403": "yes"},
    manager_user=MANAGER_USER,
    manager_general={"enabled": "yes"},
    registrations={"acme": NEVER_GIVES_UP},
    swapped_types=("registration",),
)
SET_UP = replace(
    READY,
    depth=Depth.SET_UP,
    localized="/etc/hotstandby/localized",
    asterisk=ASTERISK,
    named=NAMED,
    dns_role="secondary",
    ttls={"pbx": 30},
    tsig_algorithm="hmac-sha256",
)
"""Of a standby whose set-up has nothing to mend."""
