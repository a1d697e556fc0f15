"""`failover promote` beside the shell script that an admin would write, in the same world and run.

boston is dead, its BIND too; dallas takes over: the same three registrations, the zone, until dallas and ns3 say so.
The script does it with ln, `asterisk -rx`, nsupdate and a dig loop, believes that boston is dead, and looks at nothing
else. Ours also asks boston, keeps a journal, renders and reads back the files, and looks at the result from outside.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from bench.result import NotHere, Result
from lab import RELEASES, Release, World, available
from lab.carrier.accounts import ADDRESSES, WWW, account
from lab.world.machine import Machine
from tests.world.failover.pairing import become, introduce

TRUNKS: Final = ("acme", "metro", "nova")
WITHOUT_PJSIP: Final = ("acme", "metro")
OURS: Final = ["failover", "promote", "--peer-is-down", "a benchmark"]
EXTRA: Final = '[dns.delegation]\nboston = ["192.0.2.11"]\ndallas = ["192.0.2.12"]\nns3 = ["192.0.2.13"]\n'
PAUSE_S: Final = 1
"""Between two looks of the script: sleep(1) as POSIX has it takes whole seconds."""
DEADLINE_S: Final = 90.0
KEY: Final = "/etc/bind/tsig.key"

PARTS: Final = (
    ("start-up and the look at the peer", "", "opened"),
    ("localized files and registrations", "localize", "verified"),
    ("DNS", "dns", "verified"),
    ("carriers, proof", "", "closed"),
)
"""What the time goes to, and the line of the journal with which each part ends; the first begins with the command."""

_RELOADS: Final = {"sip": "sip reload", "iax2": "iax2 reload", "pjsip": "module reload res_pjsip.so"}
_LISTS: Final = {"sip": "sip show registry", "iax2": "iax2 show registry", "pjsip": "pjsip show registrations"}

_SCRIPT: Final = """\
#!/bin/sh
# promote.sh: make dallas primary
set -eu
cd /etc/hotstandby/localized
pbx=$(ls -d generations/*-primary-* | grep -v dns | sort -V | tail -1)
dns=$(ls -d generations/*-dns-primary-* | sort -V | tail -1)
touch "$pbx"/asterisk/*
ln -sfn "$pbx" current
{reloads}
until {registered}; do sleep {pause}; done
ln -sfn "$dns" current-dns
rndc reconfig
until rndc zonestatus acme.example | grep -q 'type: primary'; do sleep {pause}; done
nsupdate -k {key} <<END
server 192.0.2.12
zone acme.example
update delete pbx.acme.example A
update add pbx.acme.example {ttl} A {pbx}
update delete www.acme.example A
update add www.acme.example {ttl} A {www}
send
END
for server in 192.0.2.12 192.0.2.13; do
  until [ "$(dig +short +time=1 +tries=1 @$server pbx.acme.example)" = {pbx} ] &&
        [ "$(dig +short +time=1 +tries=1 @$server www.acme.example)" = {www} ]; do sleep {pause}; done
done
"""


@dataclass(frozen=True, slots=True)
class Sides:
    """One world's runs: ours and the script's seconds, and ours in parts."""

    ours: list[float]
    theirs: list[float]
    parts: list[dict[str, float]]

    def in_parts(self, where: str) -> dict[str, float]:
        """The median of each part, named for the table."""
        return {
            f"{where}, of ours: {name}, s": round(statistics.median(one[name] for one in self.parts), 3)
            for name in self.parts[0]
        }


def measure(*, runs: int) -> Result:
    """Seconds from the command to its end.

    Raises:
        NotHere: no world can be had here.
    """
    release = next((one for one in reversed(RELEASES) if available(one) is None), None)
    if release is None:
        raise NotHere(f"no world of real servers here: {available(RELEASES[-1])}")
    both = _side_by_side(release, TRUNKS, runs)
    more: dict[str, float] = both.in_parts(f"Asterisk {release}")
    if available("16") is None:
        older = _side_by_side("16", WITHOUT_PJSIP, runs)
        own, script = statistics.median(older.ours), statistics.median(older.theirs)
        more |= {
            "without PJSIP (Asterisk 16, chan_sip and IAX2), ours, s": own,
            "without PJSIP, the script, s": script,
            "without PJSIP, ratio": own / script,
            **older.in_parts("without PJSIP"),
        }
    return Result(
        name="promote",
        what=f"a promotion, peer dead, its DNS taken over; Asterisk {release}, {len(TRUNKS)} trunks, 2 name servers",
        against=f"promote.sh: ln, asterisk -rx, nsupdate, dig, looking every {PAUSE_S:g} s",
        unit="s",
        ours=both.ours,
        theirs=both.theirs,
        target="at most 0.6",
        more=more,
    )


def _side_by_side(release: Release, trunks: Sequence[str], runs: int) -> Sides:
    """Ours and the script's seconds, alternating, in one world."""
    found = Sides([], [], [])
    with World(release, release, trunks=trunks, named=True, sshd=True, expiry_s=30, extra=EXTRA) as world:
        introduce(world)
        become(world.dallas, "standby")
        become(world.boston, "primary")
        _must(world.boston, ["failover", "promote"], fine=(0, 5))
        _await_dns(world, "boston")
        dallas = world.dallas
        dallas.write("/etc/promote.sh", _script(release, trunks), mode=0o755)
        world.boston.power_off()
        for _ in range(runs):
            for argv, seconds in ((OURS, found.ours), (["sh", "/etc/promote.sh"], found.theirs)):
                begun = time.clock_gettime(time.CLOCK_BOOTTIME)
                seconds.append(_timed(dallas, argv))
                if argv is OURS:
                    found.parts.append(_parts(dallas, begun, begun + seconds[-1]))
                _proven(world, trunks)
                _back(world)
    return found


def _parts(machine: Machine, begun: float, ended: float) -> dict[str, float]:
    """What the newest run of this machine took its time for, from its journal, whose clock is the kernel's for all."""
    newest = max(run["run"] for run in json.loads(_must(machine, ["failover", "history", "--json"])))
    lines = json.loads(_must(machine, ["failover", "history", str(newest), "--json"]))["lines"]
    found: dict[str, float] = {}
    for name, step, kind in PARTS:
        end = next(line["boottime"] for line in lines if (line["step"], line["kind"]) == (step, kind))
        found[name] = end - begun
        begun = end
    return {**found, "end of the process": ended - begun}


def _script(release: Release, trunks: Sequence[str]) -> str:
    drivers = [account(trunk).channel(release) for trunk in trunks]
    reloads = [f"asterisk -rx '{_RELOADS[driver]}' >/dev/null" for driver in dict.fromkeys(drivers)]
    looks = [
        f"[ $(asterisk -rx '{_LISTS[driver]}' | grep -c Registered) = {drivers.count(driver)} ]"
        for driver in dict.fromkeys(drivers)
    ]
    return _SCRIPT.format(
        reloads="\n".join([*reloads, "asterisk -rx 'dialplan reload' >/dev/null"]),
        registered=" && ".join(looks),
        pause=PAUSE_S,
        key=KEY,
        ttl=30,
        pbx=ADDRESSES["dallas"],
        www=WWW["dallas"],
    )


def _timed(machine: Machine, argv: list[str]) -> float:
    begun = time.monotonic()
    done = machine.run(argv, deadline_s=DEADLINE_S)
    took = time.monotonic() - begun
    if done.returncode not in (0, 5):
        raise NotHere(f"{argv[0]} failed ({done.returncode}): {(done.stdout + done.stderr)[-800:]}")
    return took


def _must(machine: Machine, argv: list[str], *, fine: tuple[int, ...] = (0,), input: bytes | None = None) -> str:  # noqa: A002
    done: Any = machine.run(argv, deadline_s=DEADLINE_S, input=input)
    if done.returncode not in fine:
        raise NotHere(f"{argv} ended with {done.returncode}: {(done.stdout + done.stderr)[-800:]}")
    return str(done.stdout)


def _proven(world: World, trunks: Sequence[str]) -> None:
    """Both sides must have done the same, or the comparison is worth nothing."""
    for trunk in trunks:
        world.carrier.await_holder(trunk, ["dallas"], deadline_s=2.0)
    for server in ("dallas", "ns3"):
        if _said(world, server) != ADDRESSES["dallas"]:
            raise NotHere(f"{server} says {_said(world, server)} after a promotion that called itself done")


def _back(world: World) -> None:
    """As before: the names point at boston everywhere, dallas is standby, in BIND too. Not timed."""
    change = "server 192.0.2.12\nzone acme.example\n" + "".join(
        f"update delete {name}.acme.example A\nupdate add {name}.acme.example 30 A {address}\n"
        for name, address in (("pbx", ADDRESSES["boston"]), ("www", WWW["boston"]))
    )
    _must(
        world.dallas,
        ["nsupdate", "-k", KEY],
        input=f"{change}update delete _failover.acme.example TXT\nsend\n".encode(),
    )
    _must(world.dallas, ["rndc", "notify", "acme.example"])
    _await_dns(world, "boston", servers=("dallas", "ns3"))
    _must(world.dallas, ["failover", "demote", "a benchmark"], fine=(0, 5))
    time.sleep(1.0)


def _await_dns(world: World, machine: str, servers: tuple[str, ...] = ("boston", "dallas", "ns3")) -> None:
    until = time.monotonic() + 40
    while any(_said(world, server) != ADDRESSES[machine] for server in servers):
        if time.monotonic() > until:
            raise NotHere("the name servers did not come back to where they were")
        time.sleep(0.2)


def _said(world: World, server: str) -> str:
    argv = ["dig", "+short", "+time=1", "+tries=1", f"@{ADDRESSES[server]}", "pbx.acme.example"]
    return world.ns3.run(argv).stdout.strip()
