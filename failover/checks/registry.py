"""`failover check`: everything about the set-up that would let a promotion fail, seen before it is needed.

`gather` looks at this machine, its BIND, its peer and the name servers, and makes one frozen value of it
(`facts.Facts`); the rules in `dns_rules`, `asterisk_rules` and `machine_rules` are pure functions over that value.
What cannot be seen is said to be so, never taken for good.
"""

from failover.checks.asterisk_rules import ASTERISK_RULES
from failover.checks.dns_rules import DNS_RULES
from failover.checks.facts import Facts
from failover.checks.finding import Finding, Rule
from failover.checks.machine_rules import MACHINE_RULES

RULES: tuple[Rule, ...] = (*MACHINE_RULES, *ASTERISK_RULES, *DNS_RULES)


def check(facts: Facts) -> list[Finding]:
    """What every rule finds, the gravest first."""
    found = [finding for rule in RULES for finding in rule(facts)]
    return sorted(found, key=lambda finding: finding.level.value)
