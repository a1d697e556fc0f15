"""A machine to kill commands on: everything that is rendered, secrets that are told from all else, umask 077."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from host.places import Places
from lab.world.pair_toml import AMI_SECRET, TSIG_KEY, TSIG_SECRET
from localized import prepare
from localized.render.render import render
from localized.role import Role
from tests.localized import kernel
from tests.localized.example import EXAMPLE, SECRETS, example, lay_out
from tests.localized.forked import run

PAIR: Final = (
    EXAMPLE
    + """
[dns]
zone = "acme.example"
ttl_s = 30
method = "update"
key_file = "tsig.key"
servers = { boston = "192.0.2.11", dallas = "192.0.2.12" }
[dns.follow]
pbx = { boston = "192.0.2.11", dallas = "192.0.2.12" }
"""
)
_WRITTEN: Final = {
    "acme": "wJ7rQ2xPz9Lk",
    "metro": "Tg5vYb8nHd3C",
    "nova": "q1Mf6sXe0RuA",
    "ami": AMI_SECRET,
    "tsig.key": TSIG_KEY,
}
KEPT_SECRETS: Final = (*(secret for name, secret in _WRITTEN.items() if name != "tsig.key"), TSIG_SECRET)
"""No part of them may stand where everybody reads."""

PRIMARY: Final = ("--role", "primary", "--activate", "--peer-is-down", "test")
STANDBY: Final = ("--role", "standby", "--activate")
ALONE: Final = "--without-asterisk"


def hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skips where the kernel does not let a process be held; otherwise makes what all runs share.

    Where the real world is required, so is this.
    """
    if (reason := kernel.why_not()) is not None:
        if os.environ.get("HOTSTANDBY_WORLD") == "required":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    # The zones' group comes with BIND, which need not be here.
    monkeypatch.setattr(prepare, "_named_group", lambda: "root")
    for role in Role:
        # Templates are compiled once, and a process that is forked from here has them.
        render(example(PAIR), "boston", role, {**SECRETS, **_WRITTEN})


def machine(directory: Path, before: Sequence[Sequence[str] | int] = (), asterisk: str = "") -> Places:
    """A machine on which some commands have run already.

    Args:
        directory: where to put it.
        before: those commands, and edits of pair.toml (an expiry in seconds) between them.
        asterisk: more lines of [asterisk].
    """
    places = lay_out(directory, PAIR.replace("[asterisk]\n", f"[asterisk]\n{asterisk}"))
    for name, secret in _WRITTEN.items():
        (places.secrets / name).write_text(secret)
        (places.secrets / name).chmod(0o600)
    (directory / "hosts").write_text("127.0.0.1 localhost\n")
    (directory / "tmp").mkdir()
    for one in before:
        if isinstance(one, int):
            edit(places, one)
        else:
            done = run(places, one, env=environment(places))
            assert done.returncode == 0, done.stdout + done.stderr
    return places


def edit(places: Places, expiry_s: int) -> None:
    """Changes something of pair.toml that both roles are rendered from."""
    text = places.pair_toml.read_text()
    at = text.index("expiry_s = ") + len("expiry_s = ")
    places.pair_toml.write_text(f"{text[:at]}{expiry_s}{text[at + 3 :]}")


def environment(places: Places) -> dict[str, str]:
    """For commands: no named-checkconf, which changes nothing and takes its time; scratch files where they count."""
    return {"PATH": "/nowhere", "TMPDIR": str(places.config.parent / "tmp")}
