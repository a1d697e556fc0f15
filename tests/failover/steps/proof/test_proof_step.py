"""The last step: what is looked at, what makes it incomplete, and what is only told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dns.name
import pytest

from failover.context import Context
from failover.steps.proof import step as proof_step
from failover.steps.proof.external_checks import ProofResult, check_domino, check_resolvers
from failover.steps.proof.step import NO_CALL, ProofIncomplete, ProofStep
from host.places import Places
from pair import Pair
from pair.sections.dns import Dns
from tests.fakes.four_name_servers import NET, free_port
from tests.fakes.name_server import FakeNameServer, zone_from_text
from tests.fakes.zone_data import Kind, ZoneData

ADDRESS = f"{NET}.11"
TEXT = "$TTL 30\n@ SOA ns hostmaster 1 1d 2h 4w 1h\n  NS ns\nns A 192.0.2.53\npbx 90 A {pbx}\nwww CNAME pbx\n"


def section(port: int, **more: Any) -> Dns:
    names = more.pop("names", ("pbx",))
    return Dns.model_validate(
        {
            "zone": "acme.example",
            "servers": {"boston": ADDRESS},
            "resolvers": [ADDRESS],
            "port": port,
            "follow": {name: {"boston": "192.0.2.11", "dallas": "192.0.2.12"} for name in names},
            **more,
        }
    )


def resolver(pbx: str) -> FakeNameServer:
    origin = dns.name.from_text("acme.example")
    zone = ZoneData(origin, Kind.PRIMARY, zone_from_text("acme.example", TEXT.format(pbx=pbx)))
    return FakeNameServer(ADDRESS, free_port(), {origin: zone})


@pytest.mark.parametrize(
    ("pbx", "names", "good", "words"),
    [
        ("192.0.2.12", ("pbx",), True, "pbx 192.0.2.12"),
        ("192.0.2.12", ("pbx", "www"), True, "pbx 192.0.2.12, www 192.0.2.12"),
        (
            "192.0.2.11",
            ("pbx",),
            None,
            "pbx still 192.0.2.11 for 90 s (more than the 30 s of the zone: it keeps its own)",
        ),
        ("192.0.2.12", ("gone",), None, "gone still nothing for 0 s"),
    ],
)
def test_what_a_resolver_still_says_is_told_and_leaves_nothing_to_be_done(
    pbx: str, names: tuple[str, ...], good: bool | None, words: str
) -> None:
    server = resolver(pbx)
    server.start()
    try:
        (found,) = check_resolvers(section(server.port, names=names), "dallas")
    finally:
        server.stop()
    assert (found.good, found.words) == (good, f"resolver {ADDRESS}: {words}")


def test_a_resolver_that_is_silent_or_refuses_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("failover.steps.proof.external_checks.RESOLVER_S", 0.2)
    server = resolver("192.0.2.12")
    assert check_resolvers(section(server.port, resolvers=[]), "dallas") == []
    server.start()
    try:
        server.zones.clear()
        (refused,) = check_resolvers(section(server.port), "dallas")
        server.silent = True
        (silent,) = check_resolvers(section(server.port), "dallas")
    finally:
        server.stop()
    assert (refused.good, refused.words) == (None, f"resolver {ADDRESS}: it answers REFUSED")
    assert (silent.good, silent.words) == (None, f"resolver {ADDRESS}: no answer")


@pytest.fixture
def context(tmp_path: Path) -> Context:
    machines = {
        "boston": {"public_address": "192.0.2.11", "preferred": True},
        "dallas": {"public_address": "192.0.2.12"},
    }
    asterisk = {"ami": {"port": 9}}
    pair = Pair.model_validate({"pair": {"name": "acme"}, "machines": machines, "asterisk": asterisk})
    places = Places(tmp_path / "etc", tmp_path / "state", tmp_path / "run")
    places.secrets.mkdir(parents=True)
    (places.secrets / "ami").write_text("secret\n")
    (places.secrets / "ami").chmod(0o600)
    return Context(places, pair, "dallas")


def test_registrations_that_cannot_be_read_leave_it_incomplete_and_name_what_to_see_to(context: Context) -> None:
    step = ProofStep(context)
    assert not step.check()
    assert step.saved() == {}
    step.apply()
    with pytest.raises(ProofIncomplete, match=r"registrations: not read: .*See to: registrations; .*drill --rehearse"):
        step.verify()
    assert step.undo({}) == "it only looked"


@pytest.mark.parametrize(("good", "complete"), [(True, True), (None, True), (False, False)])
def test_what_is_not_known_or_passes_by_itself_does_not_leave_it_incomplete(
    context: Context, monkeypatch: pytest.MonkeyPatch, good: bool | None, complete: bool
) -> None:
    monkeypatch.setattr(ProofStep, "check_all", lambda _: (ProofResult("domino", good, "domino said so", 0.1),))
    step = ProofStep(context)
    step.apply()
    if complete:
        assert step.verify() == f"domino said so; {NO_CALL}"
    else:
        with pytest.raises(ProofIncomplete, match="See to: domino"):
            step.verify()


def test_a_pair_without_domino_has_nothing_to_look_at_there(context: Context) -> None:
    assert check_domino(context) == []


def test_a_call_takes_longer_than_the_looks_and_is_left_out_of_a_rehearsal(context: Context) -> None:
    with_call = Pair.model_validate(
        {
            **context.pair.model_dump(by_alias=True, include={"pair", "machines", "asterisk"}),
            "trunks": {"acme": {"channel": "sip", "host": "sip.acme.example", "username": "x", "secret_file": "acme"}},
            "proof": {"trunk": "acme", "number": "+16175550100"},
        }
    )
    calling = Context(context.places, with_call, "dallas")
    assert ProofStep(calling).deadline_s > ProofStep(context).deadline_s == proof_step.LOOK_S
    called = [one for one in ProofStep(calling).check_all() if one.what == "call"]
    assert [one.good for one in called] == [False]
    assert called[0].words.startswith("no call was placed: ")
    assert [one for one in ProofStep(calling, place_call=False).check_all() if one.what == "call"] == []
