"""The server under everything that a network, an admin and systemd can do to it."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

import pair as model
from agi.fake_asterisk import FakeAsterisk, environment
from agi.server.activation import listen_fastagi, listen_handover, systemd_sockets
from host.errors import UsageError
from host.places import Places
from lab.until import until
from tests.agi.fake_asterisk import AgiRun, fastagi, process
from tests.agi.served import BIN, LIMIT_S, Site, drip, make_site, served, served_by_process


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with served(tmp_path_factory.mktemp("served"), "environment_s = 0.5\ndeadline_s = 30") as found:
        yield found


def connected(site: Site) -> socket.socket:
    return socket.create_connection(("127.0.0.1", site.port), timeout=LIMIT_S)


def answers(site: Site) -> bool:
    return fastagi(site.port, "hello").variables.get("LOOKUP_STATUS") == "FOUND"


def test_port_scans_leave_nothing_behind_and_are_not_worth_a_line(site: Site) -> None:
    site.await_idle()
    before = site.log
    for _ in range(50):
        connected(site).close()

    assert answers(site)
    site.await_idle()
    assert site.log == before


@pytest.mark.parametrize(
    "said", [b"", b"agi_network: yes\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02"]
)
def test_who_says_too_little_is_let_go(site: Site, said: bytes) -> None:
    with connected(site) as slow:
        slow.sendall(said)
        while slow.recv(4096):
            pass
    assert answers(site)


def test_who_drips_is_let_go(site: Site) -> None:
    with connected(site) as slow:
        drip(slow)
    assert answers(site)


def test_four_mebibytes_are_refused_early_with_a_line(site: Site) -> None:
    sent = 0
    with connected(site) as endless, suppress(OSError):
        while sent < 4 * 1024 * 1024:
            sent += endless.send(b"agi_arg_1: " + b"x" * 16384 + b"\n")
    assert sent < 4 * 1024 * 1024

    site.await_log("More than 64 KiB came where an AGI environment belongs")
    assert answers(site)


def test_an_asterisk_that_goes_away_in_the_middle_leaves_nothing_behind(site: Site) -> None:
    for said in (environment("hello", network=True)[:200], environment("ask", network=True)):
        with connected(site) as gone:
            gone.sendall(said)
            gone.recv(100) if said.endswith(b"\n\n") else None
    site.await_idle()


def test_a_hundred_at_once_all_get_their_answer(site: Site) -> None:
    with ThreadPoolExecutor(100) as pool:
        found = list(pool.map(lambda number: fastagi(site.port, "ask", caller_number=str(number)), range(100)))

    assert [one.variables.get("LOOKUP_STATUS") for one in found] == ["FOUND"] * 100


def test_bytes_that_are_no_utf_8_come_and_go(site: Site) -> None:
    happened = fastagi(site.port, "hello", ("M\udcfcller",), caller_number="\udcff")

    assert (happened.variables["CALLER"], happened.variables["ARGUMENTS"]) == ("\udcff", "M\udcfcller")


def test_a_query_behind_the_script_is_no_part_of_its_name(site: Site) -> None:
    assert fastagi(site.port, "hello?x=1").variables["LOOKUP_STATUS"] == "FOUND"
    assert fastagi(site.port, "/hello/").variables["LOOKUP_STATUS"] == "FOUND"


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/shadow", "os", "agi.lookup", "a" * 5000, "\x1b[31m", ""])
def test_a_name_that_is_no_script_reaches_no_file(site: Site, name: str) -> None:
    happened = fastagi(site.port, name)

    assert happened.ended
    assert happened.variables == {}
    assert "\x1b" not in site.log


def test_a_refused_command_is_told(site: Site) -> None:
    far = FakeAsterisk()

    def answer(command: str) -> str | None:
        return "520 Invalid command syntax.  Proper usage not available.\n" if "SET" in command else far.answer(command)

    fastagi(site.port, "hello", answer=answer)

    site.await_log("Asterisk refused a command: 520 Invalid command syntax")


def test_a_forgery_is_counted_and_told_on_one_line(site: Site) -> None:
    before = site.metric('hotstandby_agi_tampered_total{way="fastagi"}')

    fastagi(site.port, "hello", caller_number="555\nagi_extension: 911", channel="SIP/\x1b[31mred")

    assert site.metric('hotstandby_agi_tampered_total{way="fastagi"}') == before + 1
    site.await_log("is forged (agi_extension stands where agi_calleridname belongs)")
    assert "\x1b" not in site.log


def test_sessions_are_counted_by_how_they_ended(site: Site) -> None:
    start = 'hotstandby_agi_sessions_total{outcome="done",way="handover"}'
    before = site.metric(start)

    process([site.launcher("hello")], env=site.env)
    until(lambda: site.metric(start) == before + 1, "it is counted")
    assert site.metric('hotstandby_agi_session_seconds_count{way="handover"}') >= 1


def test_health_says_what_is_broken(site: Site) -> None:
    status, said = site.health()

    assert (status, said["healthy"]) == (200, True)
    assert "hello" in said["scripts"]
    assert set(said["broken"]) == {"broken", "leaves", "empty"}
    assert "SyntaxError in line 1" in said["broken"]["broken"]


def test_a_reload_brings_new_scripts_and_mends_broken_ones(tmp_path: Path) -> None:
    with served(tmp_path, scripts={"later": "def run(\n"}) as site:
        assert fastagi(site.port, "later").variables == {}
        (tmp_path / "config/agi/later.py").write_text("def run(call, services):\n    call.set_variable('X', 1)\n")
        site.reload()
        site.await_log("Scripts were loaded: lookup, later.")

        assert fastagi(site.port, "later").variables == {"X": "1"}


def test_a_reload_brings_new_lookups_and_keeps_the_old_ones_when_the_file_is_bad(tmp_path: Path) -> None:
    with served(tmp_path, scripts={}) as site:
        path = tmp_path / "config/pair.toml"
        good = path.read_text()
        path.write_text(
            good
            + """
[lookup.caller]
site = "127.0.0.1"
port = 1
request = "view"
database = "phones.nsf"
view = "x"
key_column = "Number"
variables = { COMPANY = "Company" }
"""
        )
        site.reload()
        site.await_log("Scripts were loaded")
        assert fastagi(site.port, "lookup", caller_number="555").variables["LOOKUP_STATUS"] == "ERROR"
        assert list(site.health()[1]["lookups"]) == ["caller"]

        path.write_text(good + "[lookup")
        site.reload()
        site.await_log("Until then the last valid one serves")
        assert list(site.health()[1]["lookups"]) == ["caller"]


def test_a_script_that_holds_the_loop_is_taken_off_it(tmp_path: Path) -> None:
    holds = """\
import threading
import time
RESTARTABLE = True
both = threading.Barrier(2)


def run(call, services):
    if call.environment.arguments:
        both.wait(60)
    else:
        time.sleep(0.15)
    call.set_variable("X", 1)
"""
    with served(tmp_path, "deadline_s = 60", scripts={"holds": holds}) as site:
        assert fastagi(site.port, "holds").variables["X"]
        site.await_log("holds held every other call for")

        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(lambda _: fastagi(site.port, "holds", ("wait",), deadline_s=60), range(2)))

    assert [one.variables for one in found] == [{"X": "1"}] * 2, "they ran side by side"


def test_a_drain_drops_no_call(tmp_path: Path) -> None:
    with served(tmp_path) as site:
        stops(site, tmp_path)


def test_sigterm_drops_no_call(tmp_path: Path) -> None:
    with served_by_process(tmp_path) as site:
        stops(site, tmp_path)


def stops(site: Site, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    happened: list[AgiRun] = []
    running = threading.Thread(
        target=lambda: happened.append(fastagi(site.port, "gate", (str(gate),), deadline_s=LIMIT_S))
    )
    running.start()
    until(lambda: site.health()[1]["sessions"] == 1, "the call is under way")
    codes: list[int] = []
    stopping = threading.Thread(target=lambda: codes.append(site.stop()))
    stopping.start()
    site.await_log("Stopping: no new sessions, 1 to end.")
    gate.touch()
    running.join(LIMIT_S)
    stopping.join(LIMIT_S)

    assert codes == [0]
    assert happened[0].variables == {"BEFORE": "1", "AFTER": "1"}
    with pytest.raises(ConnectionRefusedError):
        connected(site)


def test_a_script_that_never_ends_does_not_keep_the_server_from_stopping(tmp_path: Path) -> None:
    with served_by_process(tmp_path) as site:
        assert fastagi(site.port, "slow", ("600",)).variables == {"BEFORE": "1"}
        assert site.stop() == 0


def test_a_port_that_is_taken_is_one_clear_line(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    pair = model.active(Places.standard(environ=site.env)).pair
    with (
        socket.create_server(("127.0.0.1", site.port)),
        pytest.raises(UsageError, match=r"FastAGI cannot listen on 127\.0\.0\.1 port"),
    ):
        listen_fastagi(pair)


def test_a_hand_over_socket_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    places = Places.standard(environ=site.env)
    (tmp_path / "run/agi").write_text("a file where a directory belongs")
    with pytest.raises(UsageError, match=r"The hand-over socket .* cannot be made"):
        listen_handover(places, model.active(places).pair)


def test_systemd_hears_that_it_is_ready_and_that_it_stops(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(LIMIT_S)
        site.env |= {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
        site.start()
        said = [notify.recv(4096), notify.recv(4096)]
        assert site.stop() == 0
        while b"STOPPING=1" not in said:
            said.append(notify.recv(4096))

    assert said[0].startswith(b"READY=1\n")
    assert b"WATCHDOG=1" in said


def test_sockets_that_systemd_holds_are_used_and_queue_while_nobody_listens(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    path = tmp_path / "run/agi/agi.sock"
    path.parent.mkdir()
    with (
        socket.create_server(("127.0.0.1", 0)) as fast,
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as unix,
    ):
        unix.bind(str(path))
        unix.listen(16)
        port = fast.getsockname()[1]
        waiting = socket.create_connection(("127.0.0.1", port))  # before there is a server
        waiting.sendall(environment("hello", network=True))
        os.dup2(fast.fileno(), 200)
        os.dup2(unix.fileno(), 201)

        def pass_on() -> None:
            os.environ["LISTEN_PID"] = str(os.getpid())
            os.dup2(200, 3)
            os.dup2(201, 4)

        program = (
            "import os, sys; os.environ['LISTEN_PID'] = str(os.getpid()); "
            "sys.argv = ['agi-server', 'run']; from agi.command import main; main()"
        )
        with (tmp_path / "log").open("wb") as log:
            site.process = subprocess.Popen(
                [BIN / "python", "-c", program],
                env={**site.env, "LISTEN_FDS": "2"},
                preexec_fn=pass_on,
                pass_fds=(3, 4),
                stdout=log,
                stderr=log,
            )
        os.close(200)
        os.close(201)
        try:
            assert waiting.recv(100).startswith(b"GET FULL VARIABLE ")
            waiting.close()
            assert fastagi(port, "hello").variables["LOOKUP_STATUS"] == "FOUND"
            assert process([site.launcher("hello")], env=site.env).variables["LOOKUP_STATUS"] == "FOUND"
        finally:
            assert site.stop() == 0
    assert path.exists()  # systemd's, not ours to remove


def test_somebody_elses_listen_fds_are_not_ours() -> None:
    environ = {"LISTEN_FDS": "3", "LISTEN_PID": "1", "LISTEN_FDNAMES": "x"}

    assert systemd_sockets(environ) == []
    assert environ == {}


def test_what_is_no_launcher_gets_no_session(site: Site) -> None:
    for packet, descriptors in ((b"hello", []), (b"hotstandby-agi-1\0x\0", []), (b"other\0x\0", [0, 1]), (b"", [])):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as control:
            control.settimeout(LIMIT_S)
            control.connect(str(site.home / "run/agi/agi.sock"))
            assert control.recv(1) == b"R"
            if packet:
                socket.send_fds(control, [packet], descriptors)
                assert control.recv(16) == b""
    assert answers(site)


def test_a_machine_without_a_free_port_for_health_still_serves(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, served(tmp_path, health_port=taken.getsockname()[1]) as site:
        site.await_log("/healthz and /metrics are not served")
        assert answers(site)


def test_an_interrupted_hand_over_leaves_nothing_behind(site: Site) -> None:
    path = str(site.home / "run/agi/agi.sock")
    for _ in range(5):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as control:
            control.settimeout(LIMIT_S)
            control.connect(path)
            assert control.recv(1) == b"R"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as control:
        control.settimeout(LIMIT_S)
        control.connect(path)
        assert control.recv(1) == b"R"
        assert control.recv(1) == b"", "who hands nothing over is let go in time"
    site.await_idle()
    assert answers(site)


def test_a_server_without_a_free_place_sends_launchers_back(tmp_path: Path) -> None:
    with served(tmp_path, "environment_s = 30\ndeadline_s = 60") as site, ExitStack() as held:
        assert site.thread is not None
        for capacity in site.thread.server.capacities.values():
            capacity.most = 2
        gate = tmp_path / "gate"
        calls = [
            threading.Thread(target=process, args=([site.launcher("gate"), gate],), kwargs={"env": site.env})
            for _ in range(2)
        ]
        for call in calls:
            call.start()
        until(lambda: site.health()[1]["sessions"] == 2, "both places are taken")
        status, health = site.health()
        assert (status, health["refusing"]) == (503, ["handover: all 2 sessions are taken"])
        # Where the busy machine keeps the server from saying so in half a second, the script runs by itself.
        until(lambda: process([site.launcher("hello")], env=site.env).variables == {}, "a launcher is sent back")
        gate.touch()
        for call in calls:
            call.join(LIMIT_S)

        for _ in range(2):
            held.enter_context(connected(site))
        assert answers(site), "who says nothing gives way"
