"""The server under everything that a network, an admin and systemd can do to it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

from agi.fake_asterisk import FakeAsterisk, environment
from agi.server.activation import from_systemd
from tests.agi.fake_asterisk import Happened, fastagi, process
from tests.agi.served import BIN, Site, free_port, make_site, served


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with served(tmp_path_factory.mktemp("served"), "environment_s = 0.5\ndeadline_s = 5") as found:
        yield found


def connected(site: Site) -> socket.socket:
    return socket.create_connection(("127.0.0.1", site.port), timeout=5)


def answers(site: Site) -> bool:
    return fastagi(site.port, "hello").variables.get("LOOKUP_STATUS") == "FOUND"


def cpu_s(site: Site) -> float:
    assert site.process is not None
    fields = Path(f"/proc/{site.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_port_scans_cost_nothing_and_are_not_worth_a_line(site: Site) -> None:
    before = site.log
    for _ in range(50):
        connected(site).close()
    used = cpu_s(site)
    time.sleep(0.5)

    assert answers(site)
    assert cpu_s(site) - used < 0.2
    assert site.log == before


@pytest.mark.parametrize(
    "said", [b"", b"agi_network: yes\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02"]
)
def test_who_says_too_little_is_let_go_in_time(site: Site, said: bytes) -> None:
    with connected(site) as slow:
        slow.sendall(said)
        begun = time.monotonic()
        left = b"x"
        while left:
            left = slow.recv(4096)

        assert time.monotonic() - begun < 10
    assert answers(site)


def test_who_drips_is_let_go_in_time(site: Site) -> None:
    begun = time.monotonic()
    with connected(site) as slow, suppress(OSError):
        for byte in environment("hello", network=True) * 2:
            slow.sendall(bytes([byte]))
            time.sleep(0.01)
    assert time.monotonic() - begun < 20
    assert answers(site)


def test_four_mebibytes_are_refused_early_with_a_line(site: Site) -> None:
    used = cpu_s(site)
    sent = 0
    with connected(site) as endless, suppress(OSError):
        while sent < 4 * 1024 * 1024:
            sent += endless.send(b"agi_arg_1: " + b"x" * 16384 + b"\n")
    assert sent < 4 * 1024 * 1024

    site.await_log("More than 64 KiB came where an AGI environment belongs")
    assert cpu_s(site) - used < 0.5
    assert answers(site)


def test_an_asterisk_that_goes_away_in_the_middle_leaves_nothing_behind(site: Site) -> None:
    for said in (environment("hello", network=True)[:200], environment("ask", network=True)):
        with connected(site) as gone:
            gone.sendall(said)
            gone.recv(100) if said.endswith(b"\n\n") else None
    until = time.monotonic() + 3
    while site.health()[1]["sessions"] and time.monotonic() < until:
        time.sleep(0.02)

    assert site.health()[1]["sessions"] == 0


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
    until = time.monotonic() + 3
    while site.metric(start) == before and time.monotonic() < until:
        time.sleep(0.02)

    assert site.metric(start) == before + 1
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
        assert site.process is not None
        site.process.send_signal(signal.SIGHUP)
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
        assert site.process is not None
        site.process.send_signal(signal.SIGHUP)
        site.await_log("Scripts were loaded")
        assert fastagi(site.port, "lookup", caller_number="555").variables["LOOKUP_STATUS"] == "ERROR"
        assert list(site.health()[1]["lookups"]) == ["caller"]

        path.write_text(good + "[lookup")
        site.process.send_signal(signal.SIGHUP)
        site.await_log("Until then the last valid one serves")
        assert list(site.health()[1]["lookups"]) == ["caller"]


def test_a_script_that_holds_the_loop_is_taken_off_it(tmp_path: Path) -> None:
    run = "def run(call, services):\n    began = time.monotonic()\n    time.sleep(0.3)\n"
    holds = "import time\nRESTARTABLE = True\n\n\n" + run + "    call.set_variable('X', began)\n"
    with served(tmp_path, scripts={"holds": holds}) as site:
        assert fastagi(site.port, "holds").variables["X"]
        site.await_log("holds held every other call for 3")

        with ThreadPoolExecutor(4) as pool:
            found = sorted(pool.map(lambda _: float(fastagi(site.port, "holds").variables["X"]), range(4)))

        # Side by side: one after the other, each would begin 0.3 s after the one before.
        assert any(later - earlier < 0.3 for earlier, later in pairwise(found))


def test_sigterm_drops_no_call(tmp_path: Path) -> None:
    with served(tmp_path) as site:
        happened: list[Happened] = []
        thread = threading.Thread(target=lambda: happened.append(fastagi(site.port, "slow", ("0.7",))))
        thread.start()
        until = time.monotonic() + 3
        while site.health()[1]["sessions"] == 0 and time.monotonic() < until:
            time.sleep(0.02)

        assert site.stop() == 0
        thread.join(10)

        assert happened[0].variables == {"BEFORE": "1", "AFTER": "1"}
        with pytest.raises(ConnectionRefusedError):
            connected(site)


def test_a_script_that_never_ends_does_not_keep_the_server_from_stopping(tmp_path: Path) -> None:
    with served(tmp_path, "deadline_s = 0.5") as site:
        assert fastagi(site.port, "slow", ("60",)).variables == {"BEFORE": "1"}

        begun = time.monotonic()
        assert site.stop() == 0
        assert time.monotonic() - begun < 20


def test_a_port_that_is_taken_is_one_clear_line(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    with socket.create_server(("127.0.0.1", site.port)):
        done = subprocess.run([BIN / "agi-server", "run"], env=site.env, capture_output=True, text=True, timeout=20)

    assert done.returncode == 2
    assert "FastAGI cannot listen on 127.0.0.1 port" in done.stderr
    assert "Traceback" not in done.stderr


def test_systemd_hears_that_it_is_ready_and_that_it_stops(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(10)
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

    assert from_systemd(environ) == []
    assert environ == {}


def test_what_is_no_launcher_gets_no_session(site: Site) -> None:
    for packet, descriptors in ((b"hello", []), (b"hotstandby-agi-1\0x\0", []), (b"other\0x\0", [0, 1]), (b"", [])):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as control:
            control.settimeout(5)
            control.connect(str(site.home / "run/agi/agi.sock"))
            assert control.recv(1) == b"R"
            if packet:
                socket.send_fds(control, [packet], descriptors)
                assert control.recv(16) == b""
    assert answers(site)


def test_a_machine_without_a_free_port_for_health_still_serves(tmp_path: Path) -> None:
    taken = free_port()
    with socket.create_server(("127.0.0.1", taken)):
        site = make_site(tmp_path)
        text = (tmp_path / "config/pair.toml").read_text()
        (tmp_path / "config/pair.toml").write_text(
            text.replace(f"health_port = {site.health_port}", f"health_port = {taken}")
        )
        with (tmp_path / "log").open("wb") as log:
            site.process = subprocess.Popen([BIN / "agi-server", "run"], env=site.env, stdout=log, stderr=log)
        try:
            site.await_log("/healthz and /metrics are not served", 10)
            assert answers(site)
        finally:
            assert site.stop() == 0
