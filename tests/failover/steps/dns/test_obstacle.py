"""What would keep this machine from changing the zone is said beforehand, and nothing is touched by looking."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dns.name
import dns.rdataset
import pytest

from failover.bind.named import NamedRefuses
from failover.context import Context
from failover.errors import NotProven
from failover.name_servers.agreement import NameServer
from failover.name_servers.transport import DnsTransport
from failover.steps.dns import renotify
from failover.steps.dns.bind_role import NoDnsRoleRendered, give_zone_up, take_role
from failover.steps.dns.dry_run import dry_run_updates
from failover.steps.dns.obstacle import zone_obstacle_here
from failover.steps.dns.renotify import RenotifyTask, decode_task, encode_task
from host.places import Places
from localized.generations.store import GenerationStore
from localized.role import Role
from pair import Pair
from tests.fakes.four_name_servers import ADDRESSES, KEY, SERIAL, FakeServers

ZONE = "acme.example"


def context_of(binds: FakeServers, machine: str, **more: Any) -> Context:
    """The machine, whose own BIND is its own."""
    bind = binds[machine]
    section = binds.dns(named_conf=str(bind.directory / "named.conf"), rndc=list(bind.rndc), **more)
    machines = {
        "boston": {"public_address": "192.0.2.11", "preferred": True},
        "dallas": {"public_address": "192.0.2.12"},
    }
    bind.places.secrets.mkdir(parents=True, exist_ok=True)
    (bind.places.secrets / "tsig.key").write_text(KEY)
    (bind.places.secrets / "tsig.key").chmod(0o600)
    pair = Pair.model_validate({"pair": {"name": "acme"}, "machines": machines})
    return Context(bind.places, pair.model_copy(update={"dns": section}), machine)


def in_words(context: Context) -> str:
    return "; ".join(f"{'good' if one.good else 'BAD'} {one.words}" for one in dry_run_updates(context))


def test_a_standby_that_could_take_over_says_so_for_both_servers(binds: FakeServers) -> None:
    words = in_words(context_of(binds, "dallas"))
    assert words == (
        f"good boston ({ADDRESSES['boston']}) would take a signed UPDATE of these names from us, serial {SERIAL} "
        f"untouched; good dallas ({ADDRESSES['dallas']}), our own, knows the key 'failover'"
    )
    assert binds.serial("boston") == SERIAL


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (KEY.replace('"failover"', '"other"'), ("BADKEY, it does not know the key", "does not take the key 'other'")),
        (KEY.replace("bm90", "bm91"), ("BADSIG, its secret", "does not take the key 'failover'")),
    ],
)
def test_a_key_that_the_servers_do_not_know_is_bad_for_both(
    binds: FakeServers, key: str, words: tuple[str, str]
) -> None:
    context = context_of(binds, "dallas")
    (context.places.secrets / "tsig.key").write_text(key)
    found = dry_run_updates(context)
    assert [one.good for one in found] == [False, False]
    assert words[0] in found[0].words
    assert words[1] in found[1].words


def test_a_server_that_does_not_answer_is_bad_and_the_other_is_tried(binds: FakeServers) -> None:
    context = context_of(binds, "dallas")
    binds["boston"].stop()
    found = dry_run_updates(context)
    assert [one.good for one in found] == [False, True]
    assert "no answer" in found[0].words


def test_nothing_is_tried_without_dns_or_where_the_file_is_edited_and_without_a_key_that_is_said(
    binds: FakeServers, tmp_path: Path
) -> None:
    context = context_of(binds, "boston")
    assert dry_run_updates(Context(context.places, context.pair.model_copy(update={"dns": None}), "boston")) == []
    by_file = context_of(binds, "boston", method="zonefile", zone_file=str(tmp_path / "x"), primary="dallas")
    assert dry_run_updates(by_file) == []
    assert "dns.key_file is missing" in in_words(context_of(binds, "dallas", key_file=None))


def test_a_frozen_zone_and_an_expired_copy_are_obstacles(binds: FakeServers) -> None:
    boston, dallas = context_of(binds, "boston"), context_of(binds, "dallas")
    assert boston.pair.dns is not None
    assert dallas.pair.dns is not None
    assert zone_obstacle_here(dallas.pair.dns, "dallas") == ""
    binds["boston"].bind.zone(ZONE).frozen = True
    assert "Type: rndc thaw acme.example" in zone_obstacle_here(boston.pair.dns, "boston")
    assert in_words(boston).startswith("BAD acme.example is frozen")
    binds["dallas"].bind.zone(ZONE).content = None
    assert "is expired" in zone_obstacle_here(dallas.pair.dns, "dallas")


def test_a_signed_zone_needs_its_keys_on_this_machine(binds: FakeServers) -> None:
    dallas = context_of(binds, "dallas", key_directory=str(binds["dallas"].directory / "keys"))
    content = binds["dallas"].bind.zone(ZONE).content
    assert content is not None
    assert dallas.pair.dns is not None
    origin = dns.name.from_text(ZONE)
    signature = "SOA 13 2 3600 20360101000000 20260101000000 12345 acme.example. AAAA"
    content.find_node(origin).replace_rdataset(dns.rdataset.from_text("IN", "DNSKEY", 3600, "256 3 13 AAAA"))
    content.find_node(origin).replace_rdataset(dns.rdataset.from_text("IN", "RRSIG", 3600, signature))
    missing = zone_obstacle_here(dallas.pair.dns, "dallas")
    assert "Kacme.example.+013+12345.private not in" in missing
    assert "Copy Kacme.example.* there from the other machine" in missing
    (binds["dallas"].directory / "keys" / "Kacme.example.+013+12345.private").write_text("")
    assert zone_obstacle_here(dallas.pair.dns, "dallas") == ""


def test_a_zone_is_given_up_where_it_is_held_and_where_bind_is_down(binds: FakeServers) -> None:
    boston = context_of(binds, "boston")
    section = boston.pair.dns
    assert section is not None
    assert give_zone_up(boston.places, None) == ""
    assert give_zone_up(boston.places, section.model_copy(update={"primary": "boston"})) == ""
    assert (
        give_zone_up(boston.places, section, distrust=True)
        == "our BIND is secondary of acme.example, its file converted"
    )
    assert give_zone_up(boston.places, section) == ""
    store = GenerationStore(boston.places)
    take_role(binds["boston"].named, store, Role.DNS_PRIMARY, ZONE)
    binds["boston"].stop()
    assert "our BIND starts as secondary of acme.example (named was not reached" in give_zone_up(
        boston.places, section, distrust=True
    )
    active = store.pointed_to(Role.DNS_PRIMARY.link)
    assert active is not None
    assert active.role is Role.DNS_SECONDARY


def test_a_role_that_is_not_rendered_or_not_wired_changes_nothing(binds: FakeServers, tmp_path: Path) -> None:
    dallas = binds["dallas"]
    store = GenerationStore(dallas.places)
    (tmp_path / "nothing").mkdir()
    empty = GenerationStore(Places(tmp_path / "nothing", tmp_path, tmp_path))
    with pytest.raises(NoDnsRoleRendered, match="Render it with: render-localized"):
        take_role(dallas.named, empty, Role.DNS_PRIMARY, ZONE)
    dallas.write("")
    before = (store.root / "current-dns").readlink()
    with pytest.raises(NamedRefuses, match=r"does not stand there\. Wire it with: include"):
        take_role(dallas.named, store, Role.DNS_PRIMARY, ZONE)
    assert (store.root / "current-dns").readlink() == before


def test_who_is_behind_is_told_until_nobody_is_or_nobody_has_the_zone(
    binds: FakeServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renotify, "TELL_EVERY_S", 0.05)
    own, behind = (NameServer(name, ADDRESSES[name]) for name in ("boston", "dallas"))
    task = RenotifyTask(ZONE, own, DnsTransport(binds.port, own.address), (behind,), binds.key())
    assert decode_task(encode_task(task)) == task
    binds["dallas"].bind.lagging = True
    zone = binds["boston"].bind.zone(ZONE)
    zone._set_serial(SERIAL + 1)
    binds["dallas"].bind.lagging = False
    assert renotify.renotify(task) == []
    assert binds.serial("dallas") == SERIAL + 1
    binds["boston"].stop()
    zone._set_serial(SERIAL + 2)
    assert list(renotify.renotify(task)) == [behind]


def test_the_process_that_goes_on_telling_gets_its_task_through_a_pipe(binds: FakeServers) -> None:
    own, behind = (NameServer(name, ADDRESSES[name]) for name in ("boston", "dallas"))
    binds["boston"].bind.zone(ZONE)._set_serial(SERIAL + 1)
    renotify.start(RenotifyTask(ZONE, own, DnsTransport(binds.port, own.address), (behind,)))
    binds["dallas"].wait_for(ZONE, "SOA", str(SERIAL + 1))


def test_a_promotion_without_a_server_of_its_own_that_answers_is_not_proven(binds: FakeServers) -> None:
    binds["dallas"].pause()
    with pytest.raises(NotProven, match="rndc status"):
        binds.step("dallas", 7).saved()
