"""`failover ready`, `check`, `plan`, `compare`, `status`, `clients` and `drill --rehearse`, whole, without root."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ami_watcher.phones.contact import Contact, Reach
from ami_watcher.phones.exchange import ContactExchange
from ami_watcher.phones.inventory import ContactExport, KnownContact
from failover.checks.compare import differences
from failover.facts.shared_facts import facts
from failover.peer.messages import AsteriskStatus, PeerFacts, SecretsReport
from host.exits import Exit
from pair import secret_problems
from tests.failover.standby import Standby, standby


@pytest.fixture(scope="module")
def shared() -> Iterator[Standby]:
    with standby() as made:
        made.peer_has_the_same()
        yield made


@pytest.fixture
def machine(shared: Standby) -> Iterator[Standby]:
    """The standby, and a peer as it should be again afterwards."""
    kept = {file: file.read_bytes() for file in shared.answers.iterdir()}
    words = dict(shared.asterisk.words)
    yield shared
    for file, data in kept.items():
        file.write_bytes(data)
    shared.asterisk.words = words
    shared.carriers.silent = False


def told(machine: Standby, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = machine.run(*arguments, "--json")
    assert done.stdout, done.stderr
    return done.exit_code, json.loads(done.stdout[done.stdout.index("{") :])


def bad(found: dict[str, Any]) -> dict[str, str]:
    """What is not ready, with the gravest that is said of it."""
    grave = ["missing", "degraded", "unknown"]
    wrong = sorted((one for one in found["items"] if one["good"] != "ready"), key=lambda one: -grave.index(one["good"]))
    return {one["name"]: one["good"] for one in wrong}


def errors(found: dict[str, Any]) -> set[str]:
    return {one["rule"] for one in found["findings"] if one["level"] == "error"}


def test_a_whole_standby_is_ready_and_every_view_says_so(machine: Standby) -> None:
    code, found = told(machine, "ready")
    assert (code, bad(found), found["ready"], found["machine"]) == (0, {}, True, "dallas")
    assert set(found["items"][0]) == {"name", "good", "words", "age_s", "mend"}
    code, found = told(machine, "check")
    assert (code, errors(found)) == (Exit.DEGRADED, set())
    assert {one["rule"] for one in found["findings"] if one["level"] == "warning"} == {"primaries"}  # raw, as ours is
    assert set(found["findings"][0]) == {"rule", "level", "text", "mend"}
    code, plan = told(machine, "plan", "switchover")
    assert (code, plan["risks"], plan["epoch"]) == (0, [], 8)
    code, rehearsal = told(machine, "drill", "--rehearse")
    assert (code, {one["step"]: one["good"] for one in rehearsal["steps"]}) == (
        0,
        {"fence": "ok", "localize": "ok", "dns": "ok", "carrier-acme": "ok", "proof": "ok"},
    )


def test_the_words_end_with_what_to_type(machine: Standby) -> None:
    assert machine.run("ready").stdout.rstrip().endswith("next     ready; nothing to do")
    shown = machine.run("check").stdout
    assert "dallas: 0 errors, 1 warnings," in shown
    assert shown.rstrip().endswith("next     mend what is listed, from the top; then again: failover check")
    assert "next     failover switchover --plan " in machine.run("plan", "switchover").stdout
    assert "nothing live was changed" in machine.run("drill", "--rehearse").stdout
    assert machine.run("status").stdout.rstrip().endswith("next     nothing to do")
    assert machine.run("compare").stdout.rstrip().endswith("next     nothing to do")


def test_a_silent_peer_needs_a_word_in_every_view(machine: Standby) -> None:
    machine.peer_is_silent()
    code, found = told(machine, "ready")
    assert (code, bad(found)) == (
        Exit.DEGRADED,
        # Nobody knows whether a carrier takes the passwords that the peer cannot compare.
        {"fence": "degraded", "secrets": "unknown", "clock": "unknown"},
    )
    assert errors(told(machine, "check")[1]) == {"peer"}
    done = machine.run("plan", "promote", "--json")
    assert [one["name"] for one in json.loads(done.stdout)["risks"]] == ["peer-may-live"]
    assert machine.run("plan", "promote", "--peer-is-down", "its plug is out").exit_code == 0
    rehearsed = told(machine, "drill", "--rehearse")[1]
    assert rehearsed["steps"][0]["good"] == "FAILED"
    assert rehearsed["exit"] == Exit.REFUSED
    status = machine.run("status")
    assert status.exit_code == 0
    assert "boston does not answer ssh" in status.stdout


def test_another_pair_toml_there_blocks_in_every_view(machine: Standby) -> None:
    machine.peer_is(pair_digest="another")
    code, found = told(machine, "ready")
    assert (code, bad(found)) == (Exit.FAILED, {"pair.toml": "missing"})
    assert "is NOT ready: pair.toml; type what stands there" in machine.run("ready").stdout
    code, found = told(machine, "check")
    assert (code, errors(found)) == (Exit.FAILED, {"pair.toml"})
    assert [one["name"] for one in told(machine, "plan", "promote")[1]["risks"]] == ["pair-differs"]
    code, rehearsal = told(machine, "drill", "--rehearse")
    assert (code, rehearsal["steps"][0]["good"]) == (Exit.REFUSED, "FAILED")
    assert "type: failover compare" in machine.run("status").stdout


def test_carriers_that_are_silent_stop_where_the_trunk_is_required(machine: Standby) -> None:
    machine.carriers.silent = True
    code, found = told(machine, "ready")
    assert (code, bad(found)) == (Exit.FAILED, {"acme": "missing", "metro": "degraded", "nova": "degraded"})
    assert errors(told(machine, "check")[1]) == {"carrier"}
    code, rehearsal = told(machine, "drill", "--rehearse")
    assert {one["step"]: one["good"] for one in rehearsal["steps"]}["localize"] == "FAILED"
    assert (code, told(machine, "plan", "switchover")[0]) == (Exit.REFUSED, 0)


def test_a_required_secret_that_differs_is_named_without_being_told(machine: Standby) -> None:
    machine.peer_says(SecretsReport(machine="boston", differ=("trunks.acme.secret_file",)))
    code, found = told(machine, "ready")
    assert (code, bad(found)) == (Exit.FAILED, {"secrets": "missing"})
    assert errors(told(machine, "check")[1]) == {"secret"}
    code, found = told(machine, "compare")
    assert code == Exit.DEGRADED
    assert "secret: trunks.acme.secret_file" in {one["name"] for one in found["differences"]}


def test_a_dialplan_without_its_gate_is_told_by_check_and_status(machine: Standby) -> None:
    machine.asterisk.words["dialplan show"] = "There is no existence of 'x' context"
    assert "gate" in errors(told(machine, "check")[1])
    assert "dallas answers the calls of better as standby" in machine.run("status").stdout


def test_an_asterisk_that_hangs_is_ready_in_no_view(machine: Standby) -> None:
    machine.asterisk.freeze()
    try:
        code, found = told(machine, "ready")
        assert (code, bad(found)["asterisk"]) == (Exit.FAILED, "missing")
        risks = told(machine, "plan", "switchover")[1]["risks"]
        assert [(one["name"], one["can_be_forced"]) for one in risks] == [("cannot-serve", False)]
    finally:
        machine.asterisk.thaw()
    assert told(machine, "ready")[0] == 0


def test_status_tells_everything_as_json(machine: Standby) -> None:
    code, found = told(machine, "status")
    assert (code, found["primary"], found["here"]) == (0, ["boston"], "dallas")
    assert set(found) == {"pair", "here", "overtaken", "primary", "machines", "dns", "paused", "waiting", "next"}


def test_a_primary_without_an_asterisk_is_an_error_of_the_set_up(machine: Standby) -> None:
    machine.peer_is(asterisk=AsteriskStatus(state="down", words="boston's Asterisk is not running"))
    assert "peer" in errors(told(machine, "check")[1])


def test_what_differs_between_the_machines_is_told(machine: Standby) -> None:
    ours = facts(machine.context)
    other = {**ours, "time zone": "Mars", "certificate: a.pem": "expires Jun  1 00:00:00 2020 GMT"}
    machine.peer_says(PeerFacts(machine="boston", facts=other, wall=1_800_000_000.0))
    done = machine.run("compare")
    assert done.exit_code == Exit.DEGRADED
    for words in ("time zone", "certificates on one machine alone", "make them the same"):
        assert words in done.stdout
    assert differences(ours, ours, clock_s=0.0, now=0.0) == ()


def test_a_peer_that_cannot_be_asked_cannot_be_compared_with(machine: Standby) -> None:
    machine.peer_is_silent()
    assert machine.run("compare").exit_code == 1


def test_a_secret_that_others_may_read_is_told(machine: Standby) -> None:
    path = machine.places.secrets / "acme"
    path.chmod(0o644)
    try:
        assert secret_problems(machine.places, machine.context.pair, "dallas")
        code, found = told(machine, "ready")
        assert (code, bad(found)["secrets"]) == (Exit.FAILED, "missing")
        assert "secret" in errors(told(machine, "check")[1])
    finally:
        path.chmod(0o600)


def phone(name: str, *, last_seen: float, expires_at: float | None) -> KnownContact:
    contact = Contact("pjsip", name, "10.0.0.5:5060", Reach.REACHABLE, None, "Desk phone", expires_at)
    return KnownContact(contact, last_seen - 60.0, last_seen, here=True)


def test_phones_that_were_at_the_other_machine_and_are_not_back_are_listed(machine: Standby) -> None:
    assert "has left no list of its phones here" in machine.run("clients").stderr
    then = time.time() - 600.0
    phones = (
        phone("101", last_seen=then, expires_at=time.time() + 3600.0),
        phone("102", last_seen=then, expires_at=then),
        phone("103", last_seen=then, expires_at=None),
    )
    exchange = ContactExchange(machine.places.contacts, machine="boston", other="dallas")
    exchange.publish(ContactExport("boston", then, phones))
    try:
        done = machine.run("clients", "--limit", "2")
        assert done.exit_code == Exit.DEGRADED
        for words in ("101", "Desk phone", "and 1 more: failover clients --limit 3", "3 of the 3 that boston listed"):
            assert words in done.stdout
        shown = machine.run("clients").stdout
        assert "is overdue: restart it" in " ".join(shown.split())
        assert "not known: its driver does not say" in " ".join(shown.split())
        code, found = told(machine, "clients")
        assert (code, found["known"], found["back"], len(found["missing"])) == (Exit.DEGRADED, 3, 0, 3)
        exchange.publish(ContactExport("boston", then, ()))
        done = machine.run("clients")
        assert done.exit_code == 0
        assert done.stdout.rstrip().endswith("next     nothing to do")
    finally:
        exchange.own_file.unlink()


def test_a_pause_stands_in_every_view_and_stops_no_plan(machine: Standby) -> None:
    assert machine.run("pause", "--for", "1h", "new switch in the rack").exit_code == 0
    try:
        code, found = told(machine, "ready")
        assert (code, bad(found)) == (Exit.DEGRADED, {"pause": "degraded"})
        assert "ready, but: pause; type what stands there" in machine.run("ready").stdout
        rules = {one["rule"]: one["level"] for one in told(machine, "check")[1]["findings"]}
        assert rules["paused"] == "warning"
        assert told(machine, "plan", "switchover")[1]["risks"] == []
        shown = machine.run("status").stdout
        assert "new switch in the rack" in shown
        assert "next     when the work is done, type: failover unpause" in shown
    finally:
        machine.run("unpause")


def test_a_name_server_that_tells_nothing_is_named(machine: Standby) -> None:
    machine.servers["ns3"].stop()
    try:
        (name,) = told(machine, "status")[1]["dns"]
        assert (name["silent"], name["ttl_s"]) == (["ns3"], 30)
        assert machine.run("status").exit_code == 0
        code, found = told(machine, "ready")
        assert (code, bad(found)) == (Exit.DEGRADED, {"dns ns3": "degraded"})
    finally:
        machine.servers["ns3"].start()
        machine.servers["ns3"].wait_for("pbx.acme.example", "A", "192.0.2.11")
