"""A telephone book for the Domino stand-in, and lookups that read it."""

from __future__ import annotations

from pathlib import Path

from host.places import Places
from lab.domino import Agent, Data, Database, Record, Service, Site, View
from pair import Pair, parse
from tests.pair.example import EXAMPLE

PASSWORD = "geh!eim&sehr=so"
ROWS: list[Record] = [
    {"Number": "+14155551212", "Name": "Jörg Müller", "Company": "Acme <!> 'Söhne'", "Groups": ["sales", "vip"]},
    {"Number": "+14155559999", "Name": "Zoë", "Company": ""},
]


def data() -> Data:
    """One telephone book, reachable by every kind of request and with every login."""
    views = {"(ByNumber)": View(list(ROWS)), "(Categorized)": View(list(ROWS), categorized=True)}
    kinds: list[Record] = [{"Number": row["Number"], "Kind": "Mobile", **row} for row in ROWS]
    views["(ByKind)"] = View(kinds, categorized=True, kinds="Kind", total="Calls")
    agents = {f"find-{output}": Agent("(ByNumber)", output=output) for output in ("json", "xml", "text")}
    agents["find-wrapped"] = Agent("(ByNumber)", output="json", wrapped=True)
    services = {"Phones": Service("(ByNumber)")}
    return Data(
        databases={
            "crm/phones.nsf": Database(views, agents, services),
            "basic.nsf": Database(views, login="basic"),
            "session.nsf": Database(views, login="session"),
        },
        users={"pbx": PASSWORD},
        sites=[Site("boston", default=True)],
    )


def lookup(port: int, extra: str = "", *, database: str = "crm/phones.nsf", deadline_ms: int = 4000) -> str:
    """[lookup.caller] on the stand-in at `port`."""
    return f"""
[lookup.caller]
site = "127.0.0.1"
port = {port}
request = "view"
database = "{database}"
view = "(ByNumber)"
key_column = "Number"
number = {{ region = "US", spellings = ["digits", "e164"] }}
variables = {{ "CALLERID(name)" = "Name", COMPANY = "Company" }}
defaults = {{ COMPANY = "unknown" }}
deadline_ms = {deadline_ms}
{extra}
"""


def pair_with(lookups: str) -> Pair:
    """The example pair with these lookups."""
    return parse((EXAMPLE + lookups).encode(), Path("pair.toml"))


def places(directory: Path) -> Places:
    """Directories of a machine of its own, with Domino's password in its secrets."""
    found = Places(directory / "etc", directory / "var", directory / "run")
    found.secrets.mkdir(parents=True, exist_ok=True)
    secret = found.secrets / "domino"
    secret.write_text(PASSWORD + "\n")
    secret.chmod(0o600)
    return found
