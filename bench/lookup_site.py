"""A Domino stand-in with one telephone book, and a hotstandby configuration that looks callers up in it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.domino import Data, Database, Domino, Site, View

PAIR = """\
[pair]
name = "bench"
[machines.boston]
public_address = "192.0.2.11"
preferred = true
[machines.dallas]
public_address = "192.0.2.12"

[lookup.caller]
site = "{address}"
port = {port}
request = "view"
database = "phones.nsf"
view = "(ByNumber)"
key_column = "Number"
key = ["callerid"]
number = {{ region = "US" }}
variables = {{ "CALLERID(name)" = "Name", COMPANY = "Company" }}
fresh_s = {fresh_s}

[agi]
{agi}
"""


@dataclass(frozen=True, slots=True)
class LookupSite:
    """What is there.

    Attributes:
        env: makes hotstandby's commands use this configuration.
        port: of the stand-in.
        asked: how often the view was read.
    """

    env: dict[str, str]
    port: int
    asked: Callable[[], int]


@contextlib.contextmanager
def lookup_site(
    directory: Path, *, agi: str, address: str = "127.0.0.1", fresh_s: float = 3600
) -> Iterator[LookupSite]:
    """Everything below `directory`, for as long as the block lasts."""
    env = {}
    for name in ("config", "state", "run"):
        (directory / name).mkdir()
        env[f"HOTSTANDBY_{name.upper()}"] = str(directory / name)
    with Domino.serving(phones(), address) as domino:
        text = PAIR.format(address=address, port=domino.port, agi=agi, fresh_s=fresh_s)
        (directory / "config/pair.toml").write_text(text)
        yield LookupSite(env, domino.port, lambda: len(domino.asked("readviewentries")))


def phones() -> Data:
    """One telephone book with one row."""
    rows = View([{"Number": "+14155551212", "Name": "Ann Smith", "Company": "Acme"}])
    return Data({"phones.nsf": Database({"(ByNumber)": rows})}, sites=[Site("boston", default=True)])
