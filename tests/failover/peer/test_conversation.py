"""Both sides of the conversation: what is asked of the other machine, what it does, and what its silence proves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from failover import peer_handlers
from failover.peer.messages import AnswerUnreadable, DemotionReport, PeerRefusal, PeerRefused, PeerRequest
from failover.peer.remote import Peer, PeerSilent
from failover.peer.service import Asker
from failover.probe_result import ProbeAnswer
from failover.state import claim
from host.exits import Exit
from host.lock import Lock
from pair.public_role import FAR
from tests.fakes.two_machines import Ssh, TwoMachines

GONE: Final = Asker("192.0.2.99", lambda: b"", lambda: True)


def boston(machines: TwoMachines) -> Peer:
    """boston, as dallas asks it."""
    return Peer(machines.dallas.context)


def test_a_status_tells_what_the_machine_is(machines: TwoMachines) -> None:
    machines.type(machines.boston, "promote")
    machines.boston.pbx.calls = 3
    status = boston(machines).status()
    assert (status.machine, status.role, status.is_primary, status.right_epoch) == ("boston", "primary", True, 1)
    assert set(status.registered) == {"acme", "nova"}
    assert status.asterisk.calls == 3


def test_a_digest_tells_two_set_ups_apart(machines: TwoMachines) -> None:
    told = boston(machines).digest()
    assert told.pair_digest == machines.dallas.context.pair.digest
    assert {"primary", "standby"} <= set(told.generations)


def test_facts_are_told_by_name(machines: TwoMachines) -> None:
    assert boston(machines).facts().machine == "boston"


def test_secrets_are_compared_without_being_told(machines: TwoMachines) -> None:
    assert boston(machines).secrets().grave == ()
    (machines.boston.places.secrets / "acme").write_text("another")
    assert boston(machines).secrets().grave == ("trunks.acme.secret_file",)
    assert "compares secrets" in (machines.boston.places.state / "peer.log").read_text()


def test_what_is_no_question_about_secrets_is_refused(machines: TwoMachines) -> None:
    asker = Asker(read_input=lambda: b"{}")
    said = peer_handlers.HANDLERS["secrets"](machines.boston.context, PeerRequest("secrets"), asker)
    assert isinstance(said, PeerRefusal)


@pytest.mark.parametrize(
    ("behaviour", "proves", "words"),
    [
        (Ssh.HANGS, ProbeAnswer.SILENT, "hung for"),
        (Ssh.REFUSED, ProbeAnswer.REFUSED, "nobody listens for ssh"),
        (Ssh.UNKNOWN_KEY, ProbeAnswer.ODD, "does not know the key"),
        (Ssh.OTHER_PROGRAM, ProbeAnswer.ODD, "command not found"),
        (Ssh.ANSWERS, ProbeAnswer.YES, "has no role"),
    ],
)
def test_each_way_of_not_answering_is_evidence(
    machines: TwoMachines, behaviour: Ssh, proves: ProbeAnswer, words: str
) -> None:
    machines.boston.ssh = behaviour
    seen = boston(machines).probe_status()
    assert (seen.found.answer, words in seen.found.words) == (proves, True), seen.found.words
    assert (seen.status is None) is (behaviour is not Ssh.ANSWERS)
    secrets = boston(machines).secrets()
    assert bool(secrets.unknown) is (behaviour is not Ssh.ANSWERS)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Host key verification failed.", "its host key is not the one"),
        ("ssh: connect to host 192.0.2.11 port 22: Connection timed out", "no answer"),
        ("ssh: connect to host 192.0.2.11 port 22: No route to host", "no route to it"),
        ("Timeout, server 192.0.2.11 not responding.", "then it was silent"),
        ("ssh: Could not resolve hostname boston: Name or service not known", "its name is not known here"),
        ("kex_exchange_identification: Connection closed by remote host", "it closed the connection"),
        ("something new", "something new"),
        ("", "ssh gave no reason"),
    ],
)
def test_what_ssh_says_last_is_told_in_our_words(machines: TwoMachines, said: str, words: str) -> None:
    machines.boston.ssh_says = said
    with pytest.raises(PeerSilent, match=words):
        boston(machines).status()


def test_without_a_key_nobody_is_asked(machines: TwoMachines) -> None:
    (machines.dallas.places.localized / "ssh/peer_key").unlink()
    with pytest.raises(PeerSilent, match="there is no key"):
        boston(machines).status()
    assert machines.boston.asked == []


def test_a_machine_that_calls_itself_otherwise_is_not_the_peer(machines: TwoMachines) -> None:
    machines.boston.context = machines.dallas.context
    with pytest.raises(AnswerUnreadable, match="it says that it is 'dallas'"):
        boston(machines).status()


def test_a_demotion_that_was_asked_for_is_proven_and_its_epoch_promised(machines: TwoMachines) -> None:
    machines.type(machines.boston, "promote")
    done = boston(machines).demote(2)
    assert isinstance(done, DemotionReport)
    assert (done.proven, machines.holders(), machines.primaries()) == (True, set(), set())
    assert claim.promised_epoch(machines.boston.places) == 2
    assert "asks for: demote 2" in (machines.boston.places.state / "peer.log").read_text()


def delayed(machines: TwoMachines) -> str:
    """A request of an earlier promotion."""
    for _ in range(2):
        machines.type(machines.dallas, "promote")
        machines.type(machines.boston, "promote")
    return "demote 2"


def far(machines: TwoMachines) -> str:
    """A number that nobody else tells."""
    machines.type(machines.boston, "promote")
    return f"demote {2 + FAR}"


@pytest.mark.parametrize(("asked", "words"), [(delayed, "the earlier epoch 2"), (far, "no name server tells one near")])
def test_a_demotion_is_refused_where_it_would_take_down_who_is_with(
    machines: TwoMachines, asked: Callable[[TwoMachines], str], words: str
) -> None:
    request = asked(machines)
    with pytest.raises(PeerRefused, match=words):
        boston(machines).demote(int(request.split()[1]))
    assert machines.holders() == machines.primaries() == {"boston"}
    assert "refused 192.0.2.99" in (machines.boston.places.state / "peer.log").read_text()


def test_a_machine_that_is_being_promoted_itself_gives_way_to_the_higher_number_alone(machines: TwoMachines) -> None:
    """boston is preferred: of one number each it goes on."""
    places = machines.boston.places
    with Lock(places.run / claim.LOCK, "failover promote on boston"):
        claim.claim_epoch(places, 5)
        with pytest.raises(PeerRefused, match="is being promoted itself, with epoch 5"):
            boston(machines).demote(5)
        assert claim.claimed_epoch(places) == 5
        assert boston(machines).demote(6).proven
        assert claim.claimed_epoch(places) == 0


def test_a_demotion_whose_asker_has_gone_is_not_begun(machines: TwoMachines) -> None:
    machines.type(machines.boston, "promote")
    said = peer_handlers.HANDLERS["demote"](machines.boston.context, PeerRequest("demote", 2), GONE)
    assert isinstance(said, PeerRefusal)
    assert "has gone" in said.reason
    assert machines.holders() == {"boston"}


def test_a_switchover_that_was_asked_for_is_told_step_by_step(machines: TwoMachines) -> None:
    machines.type(machines.dallas, "promote")
    done = boston(machines).switchover()
    assert Exit(done.exit) is Exit.DEGRADED
    assert [one.step for one in done.steps] == ["fence", "localize", "carrier-acme", "proof"]
    assert machines.holders() == machines.primaries() == {"boston"}


def test_a_switchover_that_is_refused_over_there_says_why(machines: TwoMachines) -> None:
    machines.type(machines.dallas, "promote")
    machines.stop(machines.boston.pbx)
    with pytest.raises(PeerRefused, match="boston could not serve"):
        boston(machines).switchover()
    assert machines.holders() == {"dallas"}


def test_a_machine_serves_again_for_the_promotion_alone_that_it_gave_way_to(machines: TwoMachines) -> None:
    machines.type(machines.boston, "promote")
    with pytest.raises(PeerRefused, match="is primary already"):
        boston(machines).serve(2)
    assert boston(machines).demote(2).proven
    with pytest.raises(PeerRefused, match="did not give way to promotion 3"):
        boston(machines).serve(3)
    assert Exit(boston(machines).serve(2).exit) is Exit.DEGRADED
    assert machines.holders() == machines.primaries() == {"boston"}


def test_a_drain_is_refused_by_an_asterisk_that_does_not_run(machines: TwoMachines) -> None:
    assert boston(machines).drain(15).machine == "boston"
    assert any("HOTSTANDBY_REFUSE_UNTIL" in one for one in machines.boston.pbx.commands)
    machines.stop(machines.boston.pbx)
    with pytest.raises(PeerRefused, match="not running"):
        boston(machines).drain(15)
