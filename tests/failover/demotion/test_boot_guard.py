"""What the boot guard makes of a machine, by what the others say: its files, its right, its zone."""

from __future__ import annotations

from pathlib import Path

import pytest

from failover.bind.named import LocalNamed
from failover.context import Context
from failover.demotion import boot_guard
from failover.demotion.boot_guard import NotGuarded, guard, settle
from failover.state import fenced, local_state, right
from host.places import Places
from pair import parse
from pair.public_role import PublicRole, RoleAnswer
from tests.failover.peer.test_messages import status
from tests.pair.example import EXAMPLE

STANDBY = status(machine="boston")
AGREED = tuple(RoleAnswer(server, True, PublicRole(7, "dallas"), "") for server in ("boston", "ns3"))


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """dallas, with [dns]; every role has a generation on disk."""
    places = Places(tmp_path / "etc", tmp_path / "lib", tmp_path / "run")
    for directory in (places.localized, places.secrets, places.state, places.run):
        directory.mkdir(parents=True)
    places.machine_file.write_text("dallas\n")
    for number, role in enumerate(("standby", "primary", "dns-secondary", "dns-primary"), start=1):
        (places.localized / f"generations/{number}-{role}-0123456789ab").mkdir(parents=True)
    text = EXAMPLE.replace("[dns]\n", f'[dns]\nnamed_conf = "{tmp_path}/named.conf"\n')
    return Context(places, parse(text.encode(), places.pair_toml), "dallas")


def activate(context: Context, link: str, name: str) -> None:
    (context.places.localized / link).symlink_to(f"generations/{name}-0123456789ab")


def remove(context: Context, name: str) -> None:
    (context.places.localized / f"generations/{name}-0123456789ab").rmdir()


def test_a_machine_that_everybody_names_starts_as_primary_with_the_right(context: Context) -> None:
    activate(context, "current", "1-standby")
    found = settle(context, AGREED, STANDBY)
    assert (found.primary, found.epoch) == (True, 7)
    assert local_state.read_state(context.places, "dallas").is_primary


def test_without_primary_files_it_starts_as_standby(context: Context) -> None:
    remove(context, "2-primary")
    found = settle(context, AGREED, STANDBY)
    assert (found.primary, "no primary generation can be made active" in found.why) == (False, True)
    assert not right.held_right(context.places, "dallas").held


@pytest.mark.parametrize("peer_has_the_zone", [False, True])
def test_a_machine_that_was_primary_of_the_zone_gives_it_up(context: Context, *, peer_has_the_zone: bool) -> None:
    activate(context, "current", "2-primary")
    activate(context, "current-dns", "4-dns-primary")
    peer = status(machine="boston", dns_role="primary", role="primary") if peer_has_the_zone else None
    found = settle(context, (), peer)
    assert not found.dns_primary
    assert local_state.dns_role_of(context.places) == "secondary"
    assert ("its BIND may answer with the old zone" in found.why) is peer_has_the_zone  # no rndc to tell it with


def test_a_zone_that_cannot_be_given_up_is_said(context: Context) -> None:
    activate(context, "current-dns", "4-dns-primary")
    remove(context, "3-dns-secondary")
    assert "its BIND stays primary" in settle(context, (), None).why


@pytest.mark.parametrize(
    ("told", "old"), [(RoleAnswer("ns3", True, PublicRole(8, "boston"), ""), True), (AGREED[1], False)]
)
def test_a_copy_of_the_zone_that_tells_an_earlier_promotion_is_not_trusted(
    context: Context, monkeypatch: pytest.MonkeyPatch, told: RoleAnswer, *, old: bool
) -> None:
    """Here one that named cannot read, which dates from no promotion."""
    monkeypatch.setattr(LocalNamed, "copy", lambda *_: "")
    activate(context, "current", "1-standby")
    activate(context, "current-dns", "3-dns-secondary")
    dns = context.pair.dns
    assert dns is not None
    Path(dns.named_conf).write_text("options {};\n")
    expired: list[str] = []
    monkeypatch.setattr(LocalNamed, "expire_copy", lambda _, zone: expired.append(zone))
    settle(context, (told,), None)
    assert expired == ([dns.zone] if old else [])


def test_what_cannot_be_written_keeps_the_fence(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(context.places.run))

    monkeypatch.setattr(boot_guard, "gather", lambda _: ((), None))
    monkeypatch.setattr(right, "revoke", full)
    with pytest.raises(NotGuarded, match="Look at the disk with: df -h"):
        guard(context)
    assert fenced.read_fence(context.places) is not None


def test_everybody_is_asked_at_once_and_whoever_is_late_says_nothing(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boot_guard, "GATHER_S", 0.0)
    said, peer = boot_guard.gather(context)
    assert {one.server for one in said} == {"boston", "ns3"}
    assert peer is None
