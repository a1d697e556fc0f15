"""A machine whose callers are looked up: a fake Domino beside its Asterisk, agi-server, and the dialplan for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from lab.carrier.accounts import WWW
from lab.computer.daemon import Daemon
from lab.errors import LabError
from lab.until import HANG_S
from lab.world.machine import Machine

CALLER: Final = "6175550100"
"""Who calls when a test does not say; Carrier.call's default."""
NAME: Final = "Jörg Müller"
COMPANY: Final = 'Acme "&" Söhne)'
_ROWS: Final = [{"Number": f"+1{CALLER}", "FullName": NAME, "Company": COMPANY}]
_LOG: Final = "/var/log/asterisk/lookups"
_ROOT: Final = Path(__file__).resolve().parents[2]

LOOKUP: Final = """
[lookup.caller]
site = "domino-local"
request = "view"
database = "crm/phones.nsf"
view = "(ByNumber)"
key_column = "Number"
number = { region = "US" }
variables = { "CALLERID(name)" = "FullName", COMPANY = "Company" }
defaults = { COMPANY = "unknown" }
"""
"""For pair.toml; more keys of the lookup may follow."""

FASTAGI: Final = "AGI(agi://127.0.0.1/lookup)"
SCRIPT: Final = "AGI(lookup.py)"

_DIALPLAN: Final = f"""\
exten => _X.,1,Set(BEGUN=${{STRFTIME(,,%s.%3q)}})
 same => n,Exec(${{LOOK}})
 same => n,Set(TOOK=${{STRFTIME(,,%s.%3q)}} ${{BEGUN}})
 same => n,Set(FILE({_LOG},,,al,u)=${{LOOKUP_STATUS}}|${{CALLERID(name)}}|${{COMPANY}}|${{TOOK}})
 same => n,Answer()
 same => n,Wait(30)
 same => n,Hangup()
"""


def start_domino(machine: Machine, data: str | None = None) -> Daemon:
    """Starts the machine's own Domino and returns when it listens.

    Args:
        data: JSON for `lab.domino.from_json`, a file of the machine; without it there is the site's marker alone.
    """
    argv = ["python", "-m", "lab.domino", "--bind", f"{WWW[machine.name]}:80", "--site", machine.name]
    argv += ["--data", data] if data else []
    started = machine.spawn(argv, env={"PYTHONPATH": str(_ROOT)}, name="domino")
    machine.await_port(WWW[machine.name], 80, started)
    return started


def agi_health(machine: Machine) -> dict[str, Any]:
    """What agi-server of a machine says of itself at /healthz.

    Raises:
        LabError: it does not listen.
    """
    with machine.connect("127.0.0.1", 4574) as connection:
        connection.settimeout(HANG_S)
        connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        with connection.makefile("rb") as answer:
            _, _, body = answer.read().partition(b"\r\n\r\n")
    found: dict[str, Any] = json.loads(body)
    return found


class PhoneBook:
    """See the module. The machine's pair.toml must hold LOOKUP.

    Attributes:
        domino, server: the daemons, to be ended and started again.
    """

    domino: Daemon
    server: Daemon

    def __init__(self, machine: Machine) -> None:
        """Opens it: both daemons serve, and the next call is looked up by FASTAGI.

        Raises:
            LabError: something did not start.
        """
        self._machine = machine
        self._address = WWW[machine.name]
        hosts = machine.path("/etc/hosts").read_text()
        if "domino-local" not in hosts:  # an activation writes it
            machine.write("/etc/hosts", f"{hosts}{self._address}\tdomino-local\n")
        book = {"databases": {"crm/phones.nsf": {"views": {"(ByNumber)": _ROWS}}}}
        machine.write("/etc/phones.json", json.dumps(book))
        machine.write("/etc/asterisk/extensions_inbound.conf", _DIALPLAN)
        machine.asterisk("dialplan reload")
        done = machine.run(["agi-server", "install", "lookup"])
        if done.returncode != 0:
            raise LabError(f"agi-server install on {machine.name}: {done.stderr.strip()}")
        self.go(FASTAGI)
        self.start_domino()
        self.start_server()

    def start_domino(self) -> None:
        """Returns when the fake listens."""
        self.domino = start_domino(self._machine, "/etc/phones.json")

    def start_server(self) -> None:
        """Returns when agi-server listens."""
        self.server = self._machine.spawn(["agi-server", "run"])
        self._machine.await_port("127.0.0.1", 4573, self.server)

    def go(self, way: str) -> None:
        """Which application the dialplan runs from now on."""
        self._machine.asterisk(f"dialplan set global LOOK {way}")

    def trouble(self, **fields: Any) -> None:
        """What goes wrong with Domino from now on, see lab.domino.Trouble; nothing, without fields."""
        body = json.dumps(fields)
        head = f"POST /.control HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        with self._machine.connect(self._address, 80) as connection:
            connection.settimeout(HANG_S)
            connection.sendall((head + body).encode())
            if not connection.recv(65536).startswith(b"HTTP/1.1 200"):
                raise LabError(f"the fake Domino of {self._machine.name} does not take {body}")

    def health(self) -> dict[str, Any]:
        """What agi-server says of itself at /healthz."""
        return agi_health(self._machine)

    def log(self) -> list[str]:
        """A line for each call: LOOKUP_STATUS|CALLERID(name)|COMPANY|after before, in seconds."""
        file = self._machine.path(_LOG)
        return file.read_text().splitlines() if file.exists() else []
