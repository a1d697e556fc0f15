"""The time that a call spends in AGI() in a real Asterisk, with a lookup that Domino is asked for every time.

The dialplan runs each script in turn, several rounds, and logs the time before and after. Every process that Asterisk
starts in the lab pays the same hop out of its root; "exits at once" is that hop and nothing else.
"""

from __future__ import annotations

import statistics
import time
from typing import Final

from bench.result import NotHere, Result
from lab import World, available
from lab.carrier.accounts import BY_ADDRESS
from lab.domino import phone_book
from lab.domino.phone_book import CALLER, PhoneBook
from lab.world.machine import Machine

CALLS: Final = 6
"""Of each script in a run."""

LOOKUP: Final = phone_book.LOOKUP + "deadline_ms = 2000\nfresh_s = 0\nrenew_s = 0\nstale_s = 0\nmissing_s = 0\n"
"""Nothing is kept: every call asks Domino."""

PYST2: Final = """\
#!/usr/bin/python3
import json
from urllib.parse import quote

import requests
from asterisk.agi import AGI

agi = AGI(stderr=open("/dev/null", "w"))
key = "+1" + agi.env["agi_callerid"]
address = "http://domino-local/crm/phones.nsf/(ByNumber)?ReadViewEntries&OutputFormat=JSON&Count=1&StartKey="
answer = requests.get(address + quote(key), timeout=2)
name = company = ""
for entry in json.loads(answer.content.decode("utf-8")).get("viewentry", []):
    columns = {column["@name"]: column["text"]["0"] for column in entry["entrydata"]}
    if columns.get("Number") == key:
        name, company = columns["FullName"], columns["Company"]
agi.set_variable("CALLERID(name)", name)
agi.set_variable("COMPANY", company.replace('"', ""))
agi.set_variable("LOOKUP_STATUS", "FOUND" if name else "NOTFOUND")
"""

SCRIPTS: Final = {
    "exits at once": "exit.py",
    "python -I -S, nothing": "bare.py",
    "pyst2 + requests": "pyst2.py",
    "(a) a process of its own": "/var/lib/asterisk/agi-alone/lookup.py",
    "(b) handed over": "lookup.py",
    "(c) FastAGI": "agi://127.0.0.1/lookup",
}

_OURS: Final = "(b) handed over"
_THEIRS: Final = "pyst2 + requests"
_LOG: Final = "/var/log/asterisk/bench"


def measure(*, runs: int) -> Result:
    """Medians of `runs`, in each of which every script runs CALLS times in turn."""
    if reason := available("16"):
        raise NotHere(f"it wants a real Asterisk: {reason}")
    found: dict[str, list[float]] = {name: [] for name in SCRIPTS}
    with World(boston="16", dallas="16", trunks=["better"], required=(), extra=LOOKUP, start=("boston",)) as world:
        boston = world.boston
        book = PhoneBook(boston)
        _write_scripts(boston)
        for _ in range(runs + 1):
            times = _round(world, boston)
            for name in SCRIPTS:
                found[name].append(statistics.median(times[name]) * 1000)
        book.server.terminate()
    # The first round finds caches cold, ours and theirs: bytecode, pages, Domino's connection.
    taken = {name: values[1:] for name, values in found.items()}
    more = {name: f"{statistics.median(values):.1f} ms" for name, values in taken.items()}
    return Result(
        name="agi",
        what="a call's time in AGI() in Asterisk 16, with a real HTTP lookup",
        against=_THEIRS,
        unit="ms",
        ours=taken[_OURS],
        theirs=taken[_THEIRS],
        target="at most 0.2",
        more=more,
    )


def _write_scripts(boston: Machine) -> None:
    there = "/var/lib/asterisk/agi-bin"
    launcher = boston.path(f"{there}/lookup.py").read_text()
    alone = "\n".join("SOCKET = '/nowhere'" if line.startswith("SOCKET = ") else line for line in launcher.split("\n"))
    boston.path("/var/lib/asterisk/agi-alone").mkdir()
    boston.write("/var/lib/asterisk/agi-alone/lookup.py", alone, mode=0o755)
    # The interpreter is named as the hop is, so that "nothing" is nothing but the hop and the program's own start.
    boston.write(f"{there}/exit.py", "#!/bin/sh\nexec /usr/sbin/chroot-host /proc/1/root /bin/true\n", mode=0o755)
    boston.write(f"{there}/bare.py", "#!/usr/bin/python3 -IS\npass\n", mode=0o755)
    boston.write(f"{there}/pyst2.py", PYST2, mode=0o755)
    lines = ["exten => _X.,1,Answer()", " same => n,Set(ROUND=0)", " same => n(again),Set(ROUND=$[${ROUND} + 1])"]
    for number, agi in enumerate(SCRIPTS.values()):
        lines += [
            " same => n,Set(LOOKUP_STATUS=)",
            " same => n,Set(BEGUN=${STRFTIME(,,%s.%6q)})",
            f" same => n,AGI({agi})",
            " same => n,Set(ENDED=${STRFTIME(,,%s.%6q)})",
            f" same => n,Set(FILE({_LOG},,,al,u)={number} ${{BEGUN}} ${{ENDED}} ${{LOOKUP_STATUS}})",
        ]
    lines += [
        f" same => n,GotoIf($[${{ROUND}} < {CALLS}]?again)",
        f" same => n,Set(FILE({_LOG},,,al,u)=done)",
        " same => n,Hangup()",
    ]
    boston.write("/etc/asterisk/extensions_inbound.conf", "\n".join([*lines, ""]))
    boston.asterisk("dialplan reload")


def _round(world: World, boston: Machine) -> dict[str, list[float]]:
    log = boston.path(_LOG)
    log.unlink(missing_ok=True)
    world.carrier.manager().action(
        "Originate",
        Channel=f"PJSIP/better-boston/sip:{BY_ADDRESS}@{boston.address}:5060",
        Application="Wait",
        Data="3600",
        CallerID=f"<{CALLER}>",
        Async="true",
    )
    until = time.monotonic() + 60
    while not log.exists() or not log.read_text().endswith("done\n"):
        if time.monotonic() > until:
            raise NotHere("the dialplan did not come to its end")
        time.sleep(0.2)
    names = list(SCRIPTS)
    times: dict[str, list[float]] = {name: [] for name in names}
    for line in log.read_text().splitlines()[:-1]:
        number, begun, ended, *status = line.split()
        name = names[int(number)]
        if int(number) >= 2 and status != ["FOUND"]:
            raise NotHere(f"{name} found nothing: {line}")
        times[name].append(float(ended) - float(begun))
    return times
