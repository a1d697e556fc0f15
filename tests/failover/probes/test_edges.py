"""Probes of what is not there, answers too late, or answers something else."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from failover.context import Context
from failover.peer.messages import AsteriskStatus
from failover.probe_result import ProbeAnswer, ProbeResult
from failover.probes import evidence, fit_to_serve, own_asterisk, own_status
from failover.probes.evidence import OwnAsterisk
from failover.probes.iax import frame, probe_iax
from failover.probes.parallel import Enough, Probe, run_probes
from failover.probes.ping import echo, is_reply, ping
from failover.probes.sip import probe_sip
from failover.probes.web import probe_site
from host.places import Places
from tests.failover.probes.udp_server import udp
from tests.failover.standby import Standby, standby
from tests.pair.example import example


def unused_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def test_an_iax_server_that_answers_other_calls_first_is_heard_in_the_end() -> None:
    seen: list[bytes] = []

    def pong(data: bytes) -> bytes | None:
        seen.append(data)
        if len(seen) == 1:
            return b"noise"
        call = int.from_bytes(data[:2], "big") & 0x7FFF
        return b"\x80\x07" + call.to_bytes(2, "big") + frame(7, 0, 0, 1, 3)[4:] if len(seen) == 2 else None

    with udp(pong) as port:
        found = probe_iax("own", "127.0.0.1", port)
    assert found.answer is ProbeAnswer.YES, found


@pytest.mark.parametrize("probe", [probe_iax, probe_sip])
def test_a_name_that_nobody_knows_cannot_be_reached(probe: Callable[[str, str, int], ProbeResult]) -> None:
    found = probe("own", "no-such-host.invalid", 4569)
    assert not found.answer.alive
    assert "cannot be reached" in found.words


def test_a_closed_port_says_that_an_iax_machine_lives() -> None:
    assert probe_iax("own", "127.0.0.1", unused_port()).answer is ProbeAnswer.REFUSED


def test_an_iax_server_that_is_silent_is_waited_for_and_no_longer() -> None:
    with udp(lambda _: None) as port:
        assert probe_iax("own", "127.0.0.1", port).answer is ProbeAnswer.SILENT


def test_ping_over_ipv6_and_to_nowhere() -> None:
    assert ping("boston", "::1").answer in {ProbeAnswer.YES, ProbeAnswer.UNKNOWN, ProbeAnswer.SILENT}
    assert ping("boston", "240.0.0.1").answer in {ProbeAnswer.SILENT, ProbeAnswer.UNKNOWN}
    assert not is_reply(echo(6, 7, 1), 6, 1)
    assert is_reply(b"\x81" + echo(6, 7, 1)[1:], 6, 1)


def test_a_site_whose_address_nobody_knows_is_silent() -> None:
    found = probe_site("boston", "domino-local", "no-such-host.invalid", None)
    assert found.answer is ProbeAnswer.SILENT


def test_a_site_that_never_answers_took_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = probe_site("boston", "domino-local", "127.0.0.1", None, port=server.getsockname()[1])
    assert (found.answer, "took the connection and then was silent" in found.words) == (ProbeAnswer.SILENT, True)


def test_a_port_that_takes_a_connection_is_a_sign_of_life() -> None:
    assert evidence._port("boston", "no-such-host.invalid").answer is ProbeAnswer.SILENT


def test_a_probe_that_raises_counts_as_late_and_holds_up_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def raises() -> str:
        raise OSError

    assert run_probes([Probe(raises, lambda _: "late")], total_s=30.0) == ("late",)
    assert "a probe broke (OSError()), so what it asked counts as unanswered" in caplog.text
    assert run_probes([Probe(lambda: "a", lambda _: "")], enough=Enough(30.0, lambda _: True)) == ("a",)


# This machine's own Asterisk and disks


@pytest.fixture(scope="module")
def machine() -> Iterator[Standby]:
    with standby() as made:
        yield made


def test_a_machine_that_could_serve_lacks_nothing(machine: Standby) -> None:
    assert fit_to_serve.obstacles(machine.context) == ()


def test_an_asterisk_without_a_needed_module_or_its_console_lacks_it(machine: Standby) -> None:
    context = machine.context
    pbx, lists = own_asterisk.read_pbx_and_lists(context)
    assert lists is not None
    bare = replace(lists, modules=frozenset())
    said = list(fit_to_serve.lacks_of_asterisk(context, pbx.model_copy(update={"calls": None}), bare))
    assert "does not answer asterisk -rx" in said[0]
    assert "has not loaded what registers iax2, pjsip, sip" in said[1]
    assert list(fit_to_serve.lacks_of_asterisk(context, pbx, None)) == [pbx.words]
    down = AsteriskStatus(state="down", words="it is not running")
    assert list(fit_to_serve.lacks_of_asterisk(context, down, None)) == [
        "it is not running. There, type: systemctl start asterisk"
    ]


def test_a_directory_that_cannot_be_written_is_named(machine: Standby, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file where a directory should be")
    places = replace(machine.places, run=tmp_path / "run")
    (said,) = fit_to_serve.unwritable(replace(machine.context, places=places))
    assert said.startswith(f"dallas cannot write to {tmp_path / 'run'}: ")
    pbx = own_asterisk.read_pbx(machine.context)
    both = OwnAsterisk(own_asterisk.as_result(machine.context, pbx, 0.0), pbx, (), (said,))
    assert both.obstacles == (said,)


def test_an_asterisk_whose_lists_cannot_be_read_answers_all_the_same(machine: Standby) -> None:
    secret = machine.places.secrets / "ami"
    kept = secret.read_text()
    try:
        secret.write_text("another")
        pbx = own_asterisk.read_pbx(machine.context)
    finally:
        secret.write_text(kept)
    assert (pbx.state, pbx.listed, pbx.calls) == ("answers", False, 0)
    assert own_asterisk.as_result(machine.context, pbx, 0.1).answer is ProbeAnswer.ODD


def test_an_asterisk_that_does_not_run_is_down(machine: Standby) -> None:
    machine.asterisk.kill()
    try:
        pbx = own_asterisk.read_pbx(machine.context)
    finally:
        machine.asterisk.boot()
    assert (pbx.state, pbx.words) == ("down", "dallas's Asterisk is not running")
    assert own_asterisk.count_calls(machine.context) == 0


def test_a_command_that_is_not_there_tells_no_calls(machine: Standby) -> None:
    raw = machine.context.pair.model_dump(by_alias=True, exclude_unset=True)
    raw["asterisk"]["command"] = "/no/such/asterisk"
    without = replace(machine.context, pair=type(machine.context.pair).model_validate(raw))
    assert own_asterisk.count_calls(without) is None


def test_what_is_late_is_silent_and_lacks_an_answer(machine: Standby) -> None:
    own = evidence._own_late(machine.context, 5.0)
    assert own.pbx.words == "dallas's Asterisk did not answer in 5 s"
    assert own.obstacles == ("dallas's Asterisk did not answer in 5 s. There, type: systemctl status asterisk",)


def test_whoever_has_a_word_waits_no_longer_than_the_first_sign_of_life(machine: Standby) -> None:
    machine.peer_is_silent()
    seen = evidence.gather_evidence(machine.context, hurry=True)
    assert seen.peer.status is None
    assert any(one.probe == "port" for one in seen.reach)
    assert seen.found[0] is seen.peer.found


# What is kept for whoever asks


def test_a_pause_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    context = Context(Places(tmp_path, tmp_path, tmp_path), example(), "dallas")
    assert own_status.paused(context) == ""
    (tmp_path / "pause.json").write_text("{")
    assert "there may be a pause" in own_status.paused(context)
