"""What a launcher says to a server and hears from it, in this process; as a process see server/test_three_ways.py."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agi import launcher
from agi.server.hand_over import HANGUP, WORD

Server = Callable[[socket.socket], None]


@pytest.fixture
def control() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as made:
        yield made


def serve(path: Path, act: Server, monkeypatch: pytest.MonkeyPatch) -> threading.Thread:
    """A server that does `act` with the first who comes, and ends."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(path / "s"))
    listener.listen()
    monkeypatch.setattr(launcher, "SOCKET", str(path / "s"))
    monkeypatch.setattr(launcher, "ANSWER_S", 30.0)
    monkeypatch.setattr("sys.argv", ["/agi-bin/hello.py", "M\udcfcller", ""])

    def run() -> None:
        with listener:
            connection, _ = listener.accept()
            with connection:
                act(connection)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def says(answer: bytes, packets: list[bytes]) -> Server:
    def act(connection: socket.socket) -> None:
        connection.send(b"R")
        data, descriptors, _, _ = socket.recv_fds(connection, 65536, 2)
        for number in descriptors:
            socket.close(number)
        packets.append(data)
        assert len(descriptors) == 2
        if answer:
            connection.send(answer)

    return act


@pytest.mark.parametrize(("answer", "wait_s"), [(b"A1500", 1.5), (b"B", 0.0), (b"", None), (b"?", None)])
def test_a_server_takes_the_call_or_sends_it_back(
    answer: bytes,
    wait_s: float | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    control: socket.socket,
) -> None:
    packets: list[bytes] = []
    thread = serve(tmp_path, says(answer, packets), monkeypatch)

    assert launcher.handed_over(control) == wait_s
    thread.join(30)
    assert packets == [WORD + b"\0/agi-bin/hello.py\0M\xfcller\0\0"]


def test_without_a_greeting_nothing_is_handed_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, control: socket.socket
) -> None:
    heard: list[bytes] = []

    def act(connection: socket.socket) -> None:
        connection.send(b"B")
        heard.append(connection.recv(100))

    thread = serve(tmp_path, act, monkeypatch)
    assert launcher.handed_over(control) is None
    control.close()
    thread.join(30)
    assert heard == [b""]


def test_no_server_leaves_the_call_to_the_launcher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, control: socket.socket
) -> None:
    monkeypatch.setattr(launcher, "SOCKET", str(tmp_path / "nobody"))
    assert launcher.handed_over(control) is None


@pytest.mark.parametrize(("end", "code"), [(b"F", 0), (b"", 1)])
def test_a_launcher_ends_as_the_server_says(
    end: bytes, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def act(connection: socket.socket) -> None:
        says(b"A30000", [])(connection)
        if end:
            connection.send(end)

    thread = serve(tmp_path, act, monkeypatch)
    before = signal.getsignal(signal.SIGHUP)
    try:
        assert launcher.main() == code
    finally:
        signal.signal(signal.SIGHUP, before)
    thread.join(30)


def test_a_hang_up_is_handed_on_and_a_server_that_has_gone_is_no_error() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    launcher.relay(ours)
    assert theirs.recv(10) == HANGUP
    theirs.close()
    launcher.relay(ours)
    ours.close()
