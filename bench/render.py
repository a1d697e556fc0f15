"""5,000 trunks: pair.toml's values to the bytes of every file of a role, read back as before an activation.

Compared with the target of 2 s; that it is linear in trunks is shown by 10 times fewer.
"""

from __future__ import annotations

import time
from pathlib import Path

from bench.result import Result
from localized.render import render
from localized.role import Role
from localized.validate import asterisk_problems
from pair import Pair, parse

TRUNKS = 5000
TARGET_S = 2.0


def measure(*, runs: int) -> Result:
    """Medians of `runs`, each of one whole role."""
    many, few = _pair(TRUNKS), _pair(TRUNKS // 10)
    ours = [_once(many) for _ in range(runs)]
    tenth = [_once(few) for _ in range(runs)]
    growth = sorted(ours)[len(ours) // 2] / sorted(tenth)[len(tenth) // 2]
    return Result(
        name="render",
        what=f"{TRUNKS:,} trunks (SIP, IAX2 and PJSIP) rendered and read back",
        against="target",
        unit="s",
        ours=ours,
        theirs=[TARGET_S],
        target="under 1",
        more={"times longer than a tenth of the trunks": growth},
    )


def _once(pair: Pair) -> float:
    secrets = {"carrier": "a secret; with 'odd' characters"}
    started = time.perf_counter()
    files = render(pair, "boston", Role.PRIMARY, secrets)
    problems = list(asterisk_problems(files))
    seconds = time.perf_counter() - started
    assert not problems, problems[:3]
    return seconds


def _pair(trunks: int) -> Pair:
    lines = [
        '[pair]\nname = "bench"',
        '[machines.boston]\npublic_address = "192.0.2.11"\npreferred = true',
        '[machines.dallas]\npublic_address = "192.0.2.12"',
    ]
    for number in range(trunks):
        channel = ("sip", "iax2", "pjsip")[number % 3]
        lines.append(
            f'[trunks.t{number}]\nchannel = "{channel}"\nhost = "sip{number}.example"\n'
            f'username = "{5551000 + number}"\nsecret_file = "carrier"'
        )
    return parse("\n".join(lines).encode(), Path("pair.toml"))
