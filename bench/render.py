"""5,000 trunks: pair.toml's values to the bytes of every file of a role, read back as before an activation.

Compared with the target of 2 s; that it is linear in trunks is shown by 10 times fewer.
"""

from __future__ import annotations

import grp
import os
import tempfile
import time
from pathlib import Path

from bench.result import Result
from host.places import Places
from localized.checks.read_back import asterisk_problems
from localized.prepare import prepare
from localized.render.render import render
from localized.role import Role
from pair import Pair, parse

TRUNKS = 5000
TARGET_S = 2.0


def measure(*, runs: int) -> Result:
    """Medians of `runs`, each of one whole role."""
    many, few = _pair(TRUNKS), _pair(TRUNKS // 10)
    ours = [_once(many) for _ in range(runs)]
    whole = [_command(many) for _ in range(runs)]
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
        more={
            "times longer than a tenth of the trunks": growth,
            "seconds for the command: both roles, masked as well, on disk, checked": sorted(whole)[len(whole) // 2],
        },
    )


def _once(pair: Pair) -> float:
    secrets = {"carrier": "a secret; with 'odd' characters"}
    started = time.perf_counter()
    files = render(pair, "boston", Role.PRIMARY, secrets)
    problems = list(asterisk_problems(files))
    seconds = time.perf_counter() - started
    assert not problems, problems[:3]
    return seconds


def _command(pair: Pair) -> float:
    """Everything that `render-localized --role primary` does after it has read pair.toml."""
    with tempfile.TemporaryDirectory(prefix="hotstandby-bench-") as scratch:
        places = Places(Path(scratch) / "config", Path(scratch) / "state", Path(scratch) / "run")
        places.secrets.mkdir(parents=True)
        (places.secrets / "carrier").touch(mode=0o600)
        (places.secrets / "carrier").write_text("a secret; with 'odd' characters\n")
        started = time.perf_counter()
        prepare(places, pair, "boston", Role.PRIMARY)
        return time.perf_counter() - started


def _pair(trunks: int) -> Pair:
    lines = [
        f'[pair]\nname = "bench"\n[asterisk]\ngroup = "{grp.getgrgid(os.getgid()).gr_name}"\nconfig_dir = "/nowhere"',
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
