"""Asking the daemon: what comes of each thing that can go wrong."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ami_watcher import ask as asking
from ami_watcher.ask import WatcherSilent, ask
from ami_watcher.web.documents import HealthDocument
from host.places import Places

WELL = b'{"ready": true, "machine": "boston", "version": "1", "since": 1.0, "problems": [], "later": "a new key"}'


def answer(status: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


async def asked(tmp_path: Path, said: bytes | None, *, deadline_s: float = 30.0) -> HealthDocument:
    """What is made of a daemon that says that; None: it says nothing."""
    places = Places(tmp_path, tmp_path, tmp_path)
    places.watcher_run.mkdir()
    finished = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if said is None:
            await finished.wait()
        else:
            writer.write(said)
        writer.close()

    async with await asyncio.start_unix_server(serve, places.watcher_socket):
        try:
            return await asyncio.to_thread(
                ask, places, "/readyz", HealthDocument, deadline_s=deadline_s, limit=5, query=None
            )
        finally:
            finished.set()


@pytest.mark.parametrize("status", [b"200 OK", b"503 Service Unavailable"])
async def test_the_document_is_read_whether_or_not_all_is_well(tmp_path: Path, status: bytes) -> None:
    assert (await asked(tmp_path, answer(status, WELL))).machine == "boston"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (answer(b"400 Bad Request", b'{"error": "limit is a number"}'), "refused: limit is a number"),
        (answer(b"400 Bad Request", b"[]"), "it did not say why"),
        (answer(b"400 Bad Request", b"<html>"), "it did not say why"),
        (answer(b"200 OK", b'{"ready": "perhaps"}'), "of another version than this command"),
        (b"SMTP ready\r\n", "broke off"),
        (b"", "broke off"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{", "broke off|another version"),
    ],
)
async def test_what_goes_wrong_is_said_with_what_to_type(tmp_path: Path, said: bytes, words: str) -> None:
    with pytest.raises(WatcherSilent, match=words):
        await asked(tmp_path, said)


async def test_a_daemon_that_does_not_answer_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(WatcherSilent, match=r"did not answer within 0\.2 s"):
        await asked(tmp_path, None, deadline_s=0.2)


async def test_an_answer_without_end_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "LONGEST", 10)
    with pytest.raises(WatcherSilent, match="more than"):
        await asked(tmp_path, answer(b"200 OK", WELL))


def test_without_a_daemon_it_is_said_how_to_start_it(tmp_path: Path) -> None:
    with pytest.raises(WatcherSilent, match="systemctl start ami-watcher"):
        ask(Places(tmp_path, tmp_path, tmp_path), "/readyz", HealthDocument)
