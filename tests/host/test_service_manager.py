"""The service manager hears what we say, and its absence is no error."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from host.service_manager import notify, watchdog_interval_s


def test_the_state_arrives_at_the_socket(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(2)
        assert notify("READY=1\nSTATUS=watching", {"NOTIFY_SOCKET": str(path)})
        assert manager.recv(100) == b"READY=1\nSTATUS=watching"


def test_an_abstract_socket_is_reached() -> None:
    name = f"hotstandby-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name)
        manager.settimeout(2)
        assert notify("WATCHDOG=1", {"NOTIFY_SOCKET": "@" + name})
        assert manager.recv(100) == b"WATCHDOG=1"


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/no/such"}, {"NOTIFY_SOCKET": "x"}])
def test_without_a_service_manager_nothing_happens(environ: dict[str, str]) -> None:
    assert notify("READY=1", environ) is False


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "10000000"}, 5.0),
        ({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": str(os.getpid())}, 5.0),
        ({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "1"}, None),  # meant for another process
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_it_bites(environ: dict[str, str], expected: float | None) -> None:
    assert watchdog_interval_s(environ) == expected
