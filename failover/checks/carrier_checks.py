"""What keeps the carriers from taking this machine's registrations and calls."""

from __future__ import annotations

from collections.abc import Iterator

from failover.checks.check import Finding, FindingLevel, Lifted, Refusal
from failover.checks.peer_checks import stops
from failover.facts.facts import Facts
from failover.probe_result import ProbeAnswer


def let_in(facts: Facts) -> Iterator[Finding]:
    """A carrier that goes by address was told ours."""
    address = facts.pair.machines[facts.machine].public_address
    for name, carrier in facts.pair.carriers.items():
        if carrier.allowed and address not in carrier.allowed:
            yield Finding(
                FindingLevel.BLOCKER,
                f"The carrier {name} was told to let in {', '.join(carrier.allowed)}, and not {address}, which is "
                f"{facts.machine}: it would refuse us.",
                f"Allow it in the carrier's portal, then add it to carriers.{name}.allowed in pair.toml.",
                item=f"carrier {name}",
                refusal=Refusal(f"carrier-{name}", Lifted.BY_FORCE),
            )


def answers(facts: Facts) -> Iterator[Finding]:
    """Each trunk's carrier answers this machine, by asking and never by dialling."""
    for name, found in facts.carriers.items():
        trunk = facts.trunks[name]
        item = f"{name}, emergency" if trunk.emergency else name
        if found.answer is ProbeAnswer.YES:
            yield Finding(FindingLevel.GOOD, f"{found.words} in {found.seconds * 1000:.0f} ms", item=item)
        else:
            level = FindingLevel.BLOCKER if stops(trunk) else FindingLevel.WARNING
            yield Finding(level, found.words, f"look at the network to {trunk.host}", item=item)


def both_addresses(facts: Facts) -> Iterator[Finding]:
    """Carriers that go by address know both of ours."""
    wanted = {machine.public_address for machine in facts.pair.machines.values()}
    for name in sorted({trunk.carrier for trunk in facts.pair.trunks.values() if trunk.carrier}):
        yield Finding(
            FindingLevel.UNSEEN,
            f"Whether {name} takes registrations and calls from both {' and '.join(sorted(wanted))} cannot be seen "
            "from here; many portals hold a list of allowed addresses.",
            f"Look in the portal of {name}; a drill proves it: failover drill",
        )
