"""The one list of checks: a new one is added here, and every view has it."""

from __future__ import annotations

from typing import Final

from failover.checks import asterisk_checks, carrier_checks, dns_checks, machine_checks, peer_checks
from failover.checks.check import Check, CheckResult
from failover.facts.facts import Depth, Facts

PLAN, READY, SET_UP = Depth.PLAN, Depth.READY, Depth.SET_UP

CHECKS: Final[tuple[Check, ...]] = (
    # In the order in which a promotion would need it.
    Check("overtaken", peer_checks.was_overtaken, PLAN, item="OVERTAKEN", step="fence"),
    Check("fenced", machine_checks.fenced, READY, item="fence", step="localize"),
    Check("open-run", machine_checks.open_run, PLAN, item="journal", step="fence"),
    Check("journal", machine_checks.journal_disk, READY, step="fence"),
    Check("paused", machine_checks.paused, READY, item="pause"),
    Check("pair.toml", peer_checks.same_pair_toml, PLAN, step="fence"),
    Check("peer", peer_checks.gives_way, PLAN, step="fence"),
    Check("peer", peer_checks.ssh, SET_UP),
    Check("asterisk", asterisk_checks.can_serve, PLAN, step="localize"),
    Check("wiring", asterisk_checks.files, PLAN, item="files", step="localize"),
    Check("wiring", asterisk_checks.advice, SET_UP),
    Check("secret", machine_checks.secrets, READY, item="secrets", step="localize"),
    Check("secret", peer_checks.same_secrets, READY, item="secrets", step="localize"),
    Check("carrier", carrier_checks.let_in, PLAN, step="localize"),
    Check("carrier", carrier_checks.answers, READY, step="localize"),
    Check("named", dns_checks.zone_changeable, READY, item="dns zone", step="dns"),
    Check("record", dns_checks.record, PLAN, item="dns record", step="dns"),
    Check("name-server", dns_checks.name_servers, PLAN, step="dns"),
    Check("serial", dns_checks.serials, PLAN, step="dns"),
    Check("domino", machine_checks.domino, READY, step="proof"),
    Check("clock", peer_checks.clocks, PLAN, step="dns"),
    Check("sync", peer_checks.synced_lately, PLAN, step="localize"),
    Check("writable", machine_checks.writable, SET_UP),
    Check("synced", machine_checks.synced, SET_UP),
    Check("boot-without-dns", machine_checks.boot_without_dns, SET_UP),
    Check("boot-guard", machine_checks.guards, SET_UP),
    Check("live-state", machine_checks.live_state, SET_UP),
    Check("firewall", machine_checks.firewall, SET_UP),
    Check("expiry", asterisk_checks.expiry, SET_UP),
    Check("pjsip-auth", asterisk_checks.auth_in_swapped_file, SET_UP),
    Check("gives-up", asterisk_checks.gives_up, SET_UP),
    Check("ami", asterisk_checks.manager, SET_UP),
    Check("proof", asterisk_checks.proof, SET_UP),
    Check("gate", asterisk_checks.gate, SET_UP),
    Check("addresses", carrier_checks.both_addresses, SET_UP),
    Check("ttl", dns_checks.ttl, SET_UP),
    Check("tsig", dns_checks.tsig, SET_UP),
    Check("tsig", dns_checks.other_keys, SET_UP),
    Check("primaries", dns_checks.primaries, SET_UP),
    Check("named", dns_checks.running_named, SET_UP),
)


def run_checks(facts: Facts) -> tuple[CheckResult, ...]:
    """What every check finds for which enough was looked at."""
    return tuple(CheckResult(one, found) for one in CHECKS if one.depth <= facts.depth for found in one.find(facts))
