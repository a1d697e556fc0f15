"""What somebody with an account on this machine, or in Asterisk's own group, can do to the calls of others: nothing.

The limits are low here: the server has few descriptors, and the attacks are as many times smaller.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from agi.fake_asterisk import environment
from agi.lookups.in_flight import MOST, RESERVE
from agi.server.descriptors import DescriptorCloser, SharedPipes
from agi.server.hand_over import WORD
from agi.server.health import HealthServer
from agi.server.log_limit import MOST as LINES
from lab.domino import Domino, Trouble
from lab.until import until
from tests.agi import phones
from tests.agi.fake_asterisk import AgiRun, fastagi, process
from tests.agi.served import LIMIT_S, Site, drip, served, served_by_process

DESCRIPTORS = 256
LAUNCHER = WORD + b"\0hello.py\0"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with served(tmp_path_factory.mktemp("attacked"), "environment_s = 2\ndeadline_s = 30") as found:
        yield found


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A process with few descriptors."""
    settings = "environment_s = 2\ndeadline_s = 5"
    with served_by_process(tmp_path_factory.mktemp("attacked"), settings, descriptors=DESCRIPTORS) as found:
        yield found


def launched(site: Site) -> AgiRun:
    return process([site.launcher("hello")], env=site.env)


def found(happened: AgiRun) -> bool:
    return happened.variables.get("LOOKUP_STATUS") == "FOUND"


def taken(site: Site) -> float:
    """How many calls of launchers the server itself has answered."""
    return site.metric('hotstandby_agi_sessions_total{outcome="done",way="handover"}')


def await_taken(site: Site, expected: float) -> None:
    """A call is counted when the server has put it away, a moment after its launcher has ended."""
    until(lambda: taken(site) == expected, "they are counted")


def silent(port: int) -> socket.socket:
    made = socket.socket()
    made.settimeout(LIMIT_S)
    # A queue that is full for a moment is no refusal: the kernel asks again by itself.
    made.connect(("127.0.0.1", port))
    return made


@contextmanager
def at_the_door(site: Site) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as control:
        control.settimeout(LIMIT_S)
        control.connect(str(site.home / "run/agi/agi.sock"))
        assert control.recv(1) == b"R"
        yield control


# FastAGI, which every local account reaches.


def test_silent_fastagi_connections_starve_neither_the_launchers_nor_fastagi_itself(small: Site) -> None:
    before = taken(small)
    with ExitStack() as held:
        for _ in range(3 * DESCRIPTORS // 2):
            held.enter_context(silent(small.port))
        launchers = [launched(small) for _ in range(10)]
        over_tcp = [fastagi(small.port, "hello") for _ in range(10)]
        status, health = small.health()

    assert [found(one) for one in launchers] == [True] * 10
    await_taken(small, before + 10)  # none of them ran by itself, or was sent back
    assert [found(one) for one in over_tcp] == [True] * 10
    assert health["sessions"] <= DESCRIPTORS * 3 // 8
    assert status in (200, 503)  # and it is answered
    assert "the oldest that say nothing give way" in small.log


def test_fastagi_sessions_that_take_all_their_threads_leave_the_launchers_theirs(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with served(tmp_path, "concurrency = 2\nqueue = 2\ndeadline_s = 30") as site:
        arguments = {"arguments": (str(gate),), "deadline_s": LIMIT_S}
        threads = [threading.Thread(target=fastagi, args=(site.port, "gate"), kwargs=arguments) for _ in range(8)]
        for thread in threads:
            thread.start()
        until(lambda: site.health()[0] == 503, "FastAGI has no turn left")
        assert site.health()[1]["refusing"][0].startswith("fastagi: all threads are taken")
        happened = process([site.launcher("ask")], env=site.env)
        gate.touch()
        for thread in threads:
            thread.join(LIMIT_S)

        assert found(happened)
        assert "sent back to the dialplan" in site.log  # those of FastAGI that found no turn
        until(lambda: site.health()[0] == 200, "it is over")


def test_fastagi_sessions_that_ask_domino_without_end_leave_the_launchers_their_turn(tmp_path: Path) -> None:
    with Domino.serving(phones.data()) as domino:
        settings = "deadline_s = 15\nconcurrency = 40\n" + phones.lookup(domino.port, deadline_ms=14_000)
        with served(tmp_path, settings) as site:
            domino.trouble = Trouble(headers_after_s=60)
            threads = [
                threading.Thread(
                    target=fastagi,
                    args=(site.port, "lookup"),
                    kwargs={"caller_number": f"+1415555{number:04}", "deadline_s": 30},
                )
                for number in range(MOST + 4)
            ]
            for thread in threads:
                thread.start()
            until(lambda: len(domino.requests) >= MOST - MOST // RESERVE, "FastAGI has its share of Domino")
            until(lambda: site.health()[1]["sessions"] == MOST + 4, "and wants more")
            domino.trouble = Trouble()
            launcher = process([site.launcher("lookup")], env=site.env, caller_number="+14155551212", deadline_s=20)
            assert threads[0].is_alive()
            assert len(domino.requests) == MOST - MOST // RESERVE + 2, "the launcher's alone, in two spellings"
            domino.stop()
            for thread in threads:
                thread.join(30)
    assert found(launcher)
    assert launcher.variables["COMPANY"].startswith("Acme")


@pytest.mark.parametrize(("script", "number"), [("hello", "555\nagi_extension: 911"), ("nobody", "555")])
def test_a_flood_of_forged_calls_leaves_few_lines_and_their_number(tmp_path: Path, script: str, number: str) -> None:
    calls = 4 * LINES
    first = environment(script, network=True, caller_number=number)
    with served(tmp_path) as site:
        for _ in range(calls):
            with silent(site.port) as caller:
                caller.sendall(first)
                caller.shutdown(socket.SHUT_WR)
                while caller.recv(4096):
                    pass
        until(lambda: site.health()[1]["sessions"] == 0, "they are over")
        assert site.stop() == 0
        lines = site.log.splitlines()
    told = [line for line in lines if "127.0.0.1" in line]
    left_out = [int(line.split()[1]) for line in lines if "left out of the log" in line]
    assert LINES <= len(told) < calls
    assert len(told) + sum(left_out) == calls


# /healthz, which every local account reaches as well.


def test_slow_readers_of_health_take_neither_threads_nor_the_descriptors_of_calls(small: Site) -> None:
    with ExitStack() as held:
        for number in range(2 * DESCRIPTORS):
            time.sleep(0.002)  # its queue is short
            with suppress(OSError):
                made = held.enter_context(closing(socket.socket()))
                made.setblocking(False)
                with suppress(BlockingIOError):
                    made.connect(("127.0.0.1", small.health_port))
                if number % 2:
                    made.send(b"GET /healthz HTTP/1.1\r\nX: ")
        assert small.process is not None
        status = Path(f"/proc/{small.process.pid}/status").read_text()
        assert int(status.partition("Threads:")[2].split()[0]) < 60
        assert small.open_descriptors() < DESCRIPTORS // 2
        assert found(launched(small))
        assert found(fastagi(small.port, "hello"))
    until(lambda: small.health()[0] == 200, "health is answered again")


def test_a_request_for_health_has_so_much_time_in_all_however_it_drips() -> None:
    health = HealthServer(0, CollectorRegistry(), dict, total_s=0.2)
    with silent(health.port) as slow:
        drip(slow)
    health.close()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:4574", 200),
        ("[::1]:4574", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:4574", 421),
        ("192.0.2.11", 421),
        ("", 421),
    ],
)
def test_a_page_elsewhere_reads_no_health_by_a_name_of_its_own(site: Site, host: str, status: int) -> None:
    with silent(site.health_port) as asking:
        asking.sendall(f"GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        answer = asking.makefile("rb").read()
    assert int(answer.split(b" ", 2)[1]) == status
    assert b"sessions" not in answer or status == 200


@pytest.mark.parametrize(
    "said",
    [b"\r\n\r\n", b"GET\r\n\r\n", b"POST /healthz HTTP/1.1\r\n\r\n", b"\x00" * 9000, b"x" * 20000, b"GET / \n\n"],
)
def test_what_is_no_question_about_health_breaks_nothing(site: Site, said: bytes) -> None:
    with silent(site.health_port) as asking, suppress(OSError):
        asking.sendall(said)
        asking.recv(100)
    assert site.health()[0] == 200
    assert "Traceback" not in site.log


# The hand-over socket, which Asterisk's group reaches; on FreePBX the web server is in it.


def a_path(tmp_path: Path) -> list[int]:
    """Descriptors that name a file and open nothing."""
    return [os.open(tmp_path, os.O_PATH), os.open(tmp_path, os.O_PATH)]


def named_pipes(tmp_path: Path) -> list[int]:
    os.mkfifo(tmp_path / "fifo")
    return [os.open(tmp_path / "fifo", os.O_RDWR), os.open(tmp_path / "fifo", os.O_RDWR)]


def files(tmp_path: Path) -> list[int]:
    return [os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT), os.open("/dev/null", os.O_RDWR)]


def sockets(_: Path) -> list[int]:
    return [one.detach() for one in socket.socketpair()]


def the_wrong_ends(_: Path) -> list[int]:
    return list(reversed(os.pipe()))


def many(_: Path) -> list[int]:
    return [number for _ in range(100) for number in os.pipe()]


def one_too_few(_: Path) -> list[int]:
    return [os.dup(0)]


@pytest.mark.parametrize("odd", [a_path, named_pipes, files, sockets, the_wrong_ends, many, one_too_few])
def test_descriptors_that_are_no_asterisks_pipes_are_closed_again(
    site: Site, tmp_path: Path, odd: Callable[[Path], list[int]]
) -> None:
    descriptors = odd(tmp_path)
    assert site.health()[0] == 200
    before = site.open_descriptors()
    for _ in range(20):
        with at_the_door(site) as control:
            socket.send_fds(control, [LAUNCHER], descriptors)
            assert control.recv(16) == b""
    for number in descriptors:
        os.close(number)

    until(lambda: site.open_descriptors() <= before + 2, "they are closed")
    assert found(launched(site))
    assert "Traceback" not in site.log


def test_descriptors_that_come_behind_a_call_are_closed_as_well(site: Site) -> None:
    assert found(launched(site))  # the first call of a server opens what stays open
    before = site.open_descriptors()
    theirs, commands = os.pipe(), os.pipe()
    with at_the_door(site) as control:
        socket.send_fds(control, [LAUNCHER], [theirs[0], commands[1]])
        assert control.recv(16).startswith(b"A")
        for word in (b"H", b"?"):
            socket.send_fds(control, [word], [0] * 100)
        # Two pipes, the server's two ends of them, and both ends of the control connection.
        until(lambda: site.open_descriptors() <= before + 8, "what came behind it is closed")
    for number in (*theirs, *commands):
        os.close(number)
    until(lambda: site.open_descriptors() <= before + 2, "and so is the call")


def test_who_connects_and_hands_nothing_over_keeps_no_launcher_out(small: Site) -> None:
    before = taken(small)
    with ExitStack() as held:
        for _ in range(DESCRIPTORS + 50):
            held.enter_context(at_the_door(small))
        assert all(found(launched(small)) for _ in range(5))
        await_taken(small, before + 5)


def test_who_hands_silent_pipes_over_keeps_no_launcher_out(small: Site) -> None:
    before = taken(small)
    with ExitStack() as held:
        for _ in range(DESCRIPTORS // 2):
            control = held.enter_context(at_the_door(small))
            ends = [*os.pipe(), *os.pipe()]
            for number in ends:
                held.callback(os.close, number)
            socket.send_fds(control, [LAUNCHER], [ends[0], ends[3]])
        assert all(found(launched(small)) for _ in range(5))
        await_taken(small, before + 5)


def full(write_fd: int) -> None:
    """Nothing more goes into this pipe, and who tries waits."""
    os.set_blocking(write_fd, False)
    with suppress(BlockingIOError):
        while True:
            os.write(write_fd, b"x" * 4096)
    os.set_blocking(write_fd, True)


def test_a_full_pipe_that_is_made_blocking_holds_no_other_call(site: Site) -> None:
    theirs, commands = os.pipe(), os.pipe()
    with at_the_door(site) as control:
        socket.send_fds(control, [LAUNCHER], [theirs[0], commands[1]])
        assert control.recv(16).startswith(b"A")
        word = os.read(commands[0], 100).split()[-1]
        full(commands[1])
        # Whatever the server made of the flag, now it is this again.
        for number in (theirs[0], commands[1]):
            os.set_blocking(number, True)
        # The script runs, and has something to say.
        os.write(theirs[1], environment("hello") + b"200 result=1 (" + word + b")\n")
        for _ in range(3):
            assert found(fastagi(site.port, "hello"))
            assert found(launched(site))
    for number in (*theirs, *commands):
        os.close(number)


def test_asterisks_own_flags_are_left_alone(site: Site) -> None:
    theirs, commands = os.pipe(), os.pipe()
    with at_the_door(site) as control:
        socket.send_fds(control, [LAUNCHER], [theirs[0], commands[1]])
        assert control.recv(16).startswith(b"A")
        assert os.read(commands[0], 100).startswith(b"GET FULL VARIABLE ")
        assert os.get_blocking(theirs[0])
        assert os.get_blocking(commands[1])
    for number in (*theirs, *commands):
        os.close(number)


def test_a_socket_that_lingers_when_it_is_closed_holds_no_other_call(small: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        lingering = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    lingering.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            lingering.send(b"x" * 65536)
    lingering.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 60))
    number = lingering.detach()
    with far, at_the_door(small) as control:
        assert small.process is not None
        # While it stands still, so that the server has the last ones: who closes that waits a minute for `far` to read.
        small.process.send_signal(signal.SIGSTOP)
        # Twice: in the second packet it lies unread when the first one has been refused.
        for _ in range(2):
            socket.send_fds(control, [LAUNCHER], [number, number])
        os.close(number)
        small.process.send_signal(signal.SIGCONT)
        for _ in range(3):
            assert found(fastagi(small.port, "hello"))
            assert found(launched(small))


def test_pipes_never_wait_whoever_else_holds_them() -> None:
    ours, theirs = os.pipe(), os.pipe()
    link = SharedPipes(ours[0], theirs[1])
    with pytest.raises(BlockingIOError):
        link.receive()
    os.write(ours[1], b"200 result=1\n")
    assert link.receive() == b"200 result=1\n"
    assert link.send(b"NOOP\n") == 5
    assert os.read(theirs[0], 100) == b"NOOP\n"
    full(theirs[1])
    with pytest.raises(BlockingIOError):
        link.send(b"NOOP\n")
    # What found no place has not stayed behind for somebody else's call.
    os.set_blocking(theirs[0], False)
    with suppress(BlockingIOError):
        while True:
            assert b"NOOP" not in os.read(theirs[0], 65536)
    assert SharedPipes(ours[0], theirs[1]).send(b"VERBOSE x\n") == 10
    assert os.read(theirs[0], 100) == b"VERBOSE x\n"
    os.close(ours[1])
    assert link.receive() == b""
    os.close(theirs[0])
    with pytest.raises(BrokenPipeError):
        link.send(b"NOOP\n")
    os.close(ours[0])
    os.close(theirs[1])


def test_one_descriptor_that_does_not_close_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck, closed = threading.Event(), []

    def close(number: int) -> None:
        if number == 0:
            stuck.wait(LIMIT_S)
        closed.append(number)

    monkeypatch.setattr("agi.server.descriptors._STUCK_S", 0.0)
    closer = DescriptorCloser(close=close)
    closer.close([0])
    until(lambda: closer.waiting == 1, "it is being closed")
    for number in range(1, 50):
        closer.close([number])
    until(lambda: sorted(closed) == list(range(1, 50)), "all others are closed")
    stuck.set()
    until(lambda: closer.waiting == 0, "and that one as well")
    closer.end()
