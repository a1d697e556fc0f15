"""What would make DNS follow late, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from failover.bind.named_conf import ZoneStatement
from failover.checks.check import Finding, FindingLevel, Lifted, Refusal
from failover.facts.facts import Facts, KeyAnswer
from failover.name_servers.serial import believed, later
from failover.probe_result import ProbeAnswer
from pair.public_role import NAME

LONGEST_TTL_S: Final = 60
"""A resolver may keep the old address for so long after everybody else has moved."""
WEAK: Final = frozenset({"hmac-md5", "hmac-md5.sig-alg.reg.int", "hmac-sha1"})


def ttl(facts: Facts) -> Iterator[Finding]:
    """The TTL of the followed names is short."""
    dns = facts.pair.dns
    if dns is None:
        return
    if dns.ttl_s > LONGEST_TTL_S:
        yield Finding(
            FindingLevel.WARNING,
            f"dns.ttl_s is {dns.ttl_s} s: for so long after a promotion, resolvers send people to the dead machine.",
            f"In pair.toml, write ttl_s = 30, or anything up to {LONGEST_TTL_S}.",
        )
    for name, seconds in sorted(facts.ttls.items()):
        if seconds > max(dns.ttl_s, LONGEST_TTL_S):
            yield Finding(
                FindingLevel.WARNING,
                f"{name}.{dns.zone} is served with a TTL of {seconds} s, not the {dns.ttl_s} s of pair.toml. "
                "What resolvers fetch now, they keep for that long after a promotion.",
                f"Lower it in the zone now: it counts from {seconds} s before a promotion.",
            )


def tsig(facts: Facts) -> Iterator[Finding]:
    """Updates are signed, and not with MD5."""
    dns = facts.pair.dns
    if dns is None or dns.method != "update":
        return
    make = "tsig-keygen hotstandby > /etc/hotstandby/secrets/tsig.key; copy it to the other machine"
    if dns.key_file is None:
        yield Finding(
            FindingLevel.ERROR,
            "dns.key_file is missing: an UPDATE that is not signed is refused, or anybody's is accepted.",
            f'Make a key with: {make}. In pair.toml, write key_file = "tsig.key".',
        )
    elif facts.tsig_problem:
        yield Finding(FindingLevel.ERROR, facts.tsig_problem, f"Make a new key with: {make}.")
    elif facts.tsig_algorithm.lower().rstrip(".") in WEAK:
        yield Finding(
            FindingLevel.WARNING,
            f"The key of dns.key_file uses {facts.tsig_algorithm}, which is deprecated (RFC 8945 §6).",
            f"Make a new one, hmac-sha256, with: {make}.",
        )


def primaries(facts: Facts) -> Iterator[Finding]:
    """Every secondary that we can see asks the standby first, and can take over without conversion."""
    dns = facts.pair.dns
    if dns is None or facts.named is None:
        return
    standby = facts.pair.peer_of(facts.pair.preferred)
    both = [dns.servers.get(name) for name in (standby, facts.pair.preferred)]
    if facts.named.views:
        yield Finding(FindingLevel.ERROR, facts.named.views, "Say in pair.toml which view it is: dns.view")
    elif facts.named.unread:
        yield Finding(
            FindingLevel.UNSEEN,
            f"named's configuration cannot be read here: {facts.named.unread}",
            "Type: named-checkconf -p",
        )
    else:
        yield from _zone(facts, facts.named.block, both)
    others = sorted(name for name in dns.servers if name not in facts.pair.machines)
    if others and None not in both:
        yield Finding(
            FindingLevel.UNSEEN,
            f"How {', '.join(others)} {'is' if len(others) == 1 else 'are'} configured cannot be seen from here. With "
            "a dead server first in its primaries, a secondary follows after 60 s; with the living one first, at once.",
            f"There, write: primaries {{ {both[0]}; {both[1]}; }};",
        )


def _zone(facts: Facts, block: ZoneStatement | None, both: list[str | None]) -> Iterator[Finding]:
    dns = facts.pair.dns
    assert dns is not None
    if block is None:
        if facts.machine in dns.servers:
            path = f"{facts.localized}/current-dns/named"
            known = facts.named is not None and facts.named.running_type
            besides = (
                " The running one has it by rndc addzone or a catalog zone, which no role can change." if known else ""
            )
            yield Finding(
                FindingLevel.ERROR,
                f"named on {facts.machine} has no zone {dns.zone}: nothing would answer here after a promotion."
                + besides,
                f'In named.conf.local, write: include "{path}/key.conf"; include "{path}/zones.conf";',
            )
        return
    ours = [address for address in block.primaries if address in both]
    if block.unresolved:
        yield Finding(
            FindingLevel.UNSEEN,
            f"The zone {dns.zone} on {facts.machine} asks the servers of lists that named.conf does not define: "
            f"{', '.join(block.unresolved)}.",
            "Type: named-checkconf -p",
        )
    if len(ours) == 2 and ours[0] != both[0]:
        yield Finding(
            FindingLevel.WARNING,
            f"The zone {dns.zone} on {facts.machine} asks {ours[0]} before {ours[1]}: with {ours[0]} dead it follows "
            "after 60 s instead of at once.",
            f"Write: primaries {{ {both[0]}; {both[1]}; }};",
        )
    if block.kind == "secondary" and block.raw:
        yield Finding(
            FindingLevel.WARNING,
            f"The zone {dns.zone} on {facts.machine} is kept raw: as type primary, named would refuse its file until "
            "it is converted.",
            "Write: masterfile-format text;",
        )


def running_named(facts: Facts) -> Iterator[Finding]:
    """The named that runs serves what our files say, and may read them: it is asked, not its configuration alone."""
    named, dns = facts.named, facts.pair.dns
    if named is None or dns is None or facts.machine not in dns.servers:
        return
    profile = "/etc/apparmor.d/local/usr.sbin.named"
    allow = f"{facts.localized}/** r,"
    if named.unreadable:
        yield Finding(
            FindingLevel.ERROR,
            f"named runs as {named.user}, which may not read {', '.join(named.unreadable[:3])}.",
            f"Type: chmod o+x on its directories, and chgrp {named.user} on key.conf; then: rndc reconfig",
        )
    if named.apparmor == "enforce" and not named.apparmor_allows:
        yield Finding(
            FindingLevel.ERROR,
            "AppArmor keeps named from our files; named-checkconf does not notice, because it is not confined.",
            f"Into {profile}, write: {allow} then: apparmor_parser -r /etc/apparmor.d/usr.sbin.named",
        )
    if not named.running_type and named.running_words != facts.zone_obstacle:
        yield Finding(
            FindingLevel.ERROR,
            f"The running named does not serve {dns.zone}: {named.running_words or 'it does not answer'}.",
            f"Type: rndc zonestatus {dns.zone}; journalctl -u named",
        )
    elif named.running_type and facts.dns_role in {"primary", "secondary"} and named.running_type != facts.dns_role:
        yield Finding(
            FindingLevel.ERROR,
            f"The running named is {named.running_type} for {dns.zone}, and our files make it {facts.dns_role}: it has "
            "not read them.",
            "Type: named-checkconf -z && rndc reconfig; where that changes nothing, look whether named.conf includes "
            f"{facts.localized}/current-dns/named/zones.conf",
        )


def record(facts: Facts) -> Iterator[Finding]:
    """Somebody tells who is primary: a machine that starts is standby where nobody does."""
    answered = [one for one in facts.answers if one.answered]
    if facts.pair.dns is not None and answered and not any(one.role for one in answered):
        yield Finding(
            FindingLevel.WARNING,
            f"No name server has a record {NAME}.{facts.pair.dns.zone} that says who is primary: after a reboot of the "
            "machine that serves, nobody would.",
            "On the machine that serves, type: failover promote, which writes it and changes nothing else there",
        )


def name_servers(facts: Facts) -> Iterator[Finding]:
    """Each name server answers, this machine's own above all, and tells the last promotion."""
    dns = facts.pair.dns
    if dns is None:
        return
    newest = facts.public
    for one in facts.evidence.servers:
        server, item = one.said.server, f"dns {one.said.server}"
        dig = f"dig @{dns.servers.get(server, '')} {NAME}.{dns.zone} TXT"
        if one.said.role is not None and one.said.role != newest:
            words = f"{one.found.words}; others say {newest}" if newest else one.found.words
            if server in facts.counted.left_out:
                words += f"; {facts.epoch} is known here, so it is not believed"
            yield Finding(FindingLevel.WARNING, words, dig, item=item)
        elif one.found.answer is ProbeAnswer.YES:
            yield Finding(FindingLevel.GOOD, one.found.words, item=item)
        elif server == facts.machine:
            yield Finding(FindingLevel.BLOCKER, one.found.words, f"failover check, on {server}", item=item)
        else:
            yield Finding(FindingLevel.WARNING, one.found.words, dig, item=item)


def zone_changeable(facts: Facts) -> Iterator[Finding]:
    """This machine can change the zone."""
    if facts.zone_obstacle:
        yield Finding(FindingLevel.ERROR, facts.zone_obstacle, "Type: failover drill --rehearse, when it is mended")


def serials(facts: Facts) -> Iterator[Finding]:
    """Serials can be brought together by raising ours. One server alone that tells such a one is left out, as the DNS
    step does: a single answer must not stop a promotion."""
    told = {one.said.server: [one.serial] for one in facts.evidence.servers if one.serial}
    own = told.pop(facts.machine, None)
    for serial in believed(own[0], told)[0] if own is not None else ():
        if own is not None and serial != own[0] and not later(serial, own[0]) and not later(own[0], serial):
            words = (
                f"The serial of {facts.machine} ({own[0]}) and that of others ({serial}) lie 2^31 apart: neither is "
                "later (RFC 1982), and a secondary would not follow."
            )
            refusal = Refusal("serial", Lifted.BY_FORCE)
            yield Finding(FindingLevel.BLOCKER, words, "Set one of them by hand.", item="dns serial", refusal=refusal)
            return


def other_keys(facts: Facts) -> Iterator[Finding]:
    """Name servers that know our key know the same one."""
    for server, said in sorted(facts.keys.items()):
        if said is KeyAnswer.OTHER_SECRET:
            yield Finding(
                FindingLevel.ERROR,
                f"{server} {said.value}: it refuses what we sign.",
                f"Copy dns.key_file to {server}; then: rndc reconfig",
            )
        elif said is KeyAnswer.UNKNOWN_KEY and server not in facts.pair.machines:
            yield Finding(
                FindingLevel.UNSEEN,
                f"{server} {said.value}. That is well where it goes by our addresses, in NOTIFY and in transfers.",
                f"Look in named.conf of {server}: allow-notify, primaries",
            )
