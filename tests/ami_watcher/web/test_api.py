"""The API as its clients meet it: over real sockets, with a source that does what the test says."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest

from ami_watcher.event import LinkState
from ami_watcher.registrations.registration import Registration
from ami_watcher.registrations.state_words import RegistrationState
from ami_watcher.web import events as hub
from ami_watcher.web import listen as web
from ami_watcher.web.documents import ContactsDocument, HistoryDocument, RegistrationsDocument
from host.places import Places
from tests.ami_watcher.fake_source import FakeSource, a_phone, a_registration, a_snapshot, machine_at
from tests.ami_watcher.served import TOKEN, Events, serving
from tests.ami_watcher.until import until


async def test_documents_are_what_openapi_says(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        for path, model in (
            ("/api/registrations", RegistrationsDocument),
            ("/api/contacts", ContactsDocument),
            ("/api/history", HistoryDocument),
        ):
            answer = await served.get(path)
            assert answer.headers["content-type"] == "application/json"
            assert model.model_validate_json(answer.body)
            described = (await served.get("/openapi.json")).json()
            schema = described["components"]["schemas"][model.__name__]
            assert set(answer.json()) == set(schema["properties"])
        for path in described["paths"]:
            if path != "/api/events":
                assert (await served.get(path)).status in (200, 503)


@pytest.mark.parametrize(
    "query",
    ["limit=-1", "limit=99999", "limit=x", "limit=%00", "since=-5", "since=1e99", "kind=gossip", "limit=" + "9" * 5000],
)
async def test_a_parameter_out_of_bounds_is_refused_in_words(tmp_path: Path, query: str) -> None:
    async with serving(tmp_path) as served:
        answer = await served.get(f"/api/history?{query}")
        assert answer.status == 400
        assert answer.json()["error"]


async def test_contacts_are_found_and_bounded(tmp_path: Path) -> None:
    source = FakeSource(a_snapshot(contacts=tuple(a_phone(str(number)) for number in range(1000))))
    async with serving(tmp_path, source) as served:
        found = (await served.get("/api/contacts?q=99&limit=3")).json()
        assert (found["total"], found["matching"], len(found["contacts"])) == (1000, 19, 3)
        page = (await served.get("/")).body.decode()
        assert page.count('id="contact-') == 50


async def test_ready_is_whether_everything_is_proven(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        assert (await served.get("/readyz")).status == 200
        served.source.current = a_snapshot(link=LinkState.LOST, link_reason="Asterisk shuts down")
        answer = await served.get("/readyz")
        assert (answer.status, answer.json()["problems"]) == (503, ["Asterisk shuts down"])
        assert (await served.get("/healthz")).status == 200


async def test_events_begin_with_everything_and_follow_each_change(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.events() as events:
        assert b"text/event-stream" in events.head
        first = await events.next()
        assert first["event"] == "snapshot"
        assert json.loads(first["data"])["machine"] == "boston"
        served.source.become("acme", RegistrationState.REJECTED, "forbidden")
        told = await events.next()
        assert told["event"] == "registration"
        assert json.loads(told["data"])["after"] == "rejected"


async def test_a_client_that_comes_again_is_told_what_it_missed_and_no_more(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        async with served.events() as events:
            await events.next()
            served.source.become("acme", RegistrationState.REJECTED)
            last = (await events.next())["id"]
        served.source.become("acme", RegistrationState.REGISTERED)
        served.source.become("metro", RegistrationState.GONE)
        async with served.events(last) as events:
            missed = [json.loads((await events.next())["data"]) for _ in range(2)]
            assert [(entry["subject"], entry["after"]) for entry in missed] == [
                ("acme", "registered"),
                ("metro", "gone"),
            ]
        async with served.events("another-run-7") as events:
            assert (await events.next())["event"] == "snapshot"


async def test_phones_are_streamed_each_or_in_a_storm_as_a_number(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        await until(lambda: served.daemon.state.store.inventory.known)
        async with served.events() as events:
            await events.next()
            served.source.list_contacts(a_phone("100"), a_phone("200"))
            told = await events.next()
            assert (told["event"], json.loads(told["data"])["subject"]) == ("contact", "200")
            served.source.list_contacts(*(a_phone(str(number)) for number in range(1000, 3000)))
            told = await events.next()
            assert told["event"] == "contacts"
            assert json.loads(told["data"])["total"] == 2000


async def test_signs_of_life_come_while_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub.EventStream.__init__, "__kwdefaults__", {"beat_s": 0.1, "send_s": 1.0})
    async with serving(tmp_path) as served, served.events() as events:
        assert (await events.next())["event"] == "snapshot"
        beat = await events.next()
        assert beat["event"] == "beat"
        assert "id" not in beat


async def test_a_client_that_reads_nothing_is_let_go_and_costs_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub.EventStream.__init__, "__kwdefaults__", {"beat_s": 10.0, "send_s": 0.5})
    async with serving(tmp_path) as served:
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", served.port))
        slow.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        events = served.daemon.state.hub
        await until(lambda: events.listeners == 1)
        async with served.events() as quick:
            await quick.next()
            for _ in range(300):
                events.publish("registration", {"cause": "x" * 20_000})
                await quick.next()
            await until(lambda: events.listeners == 1, deadline_s=30)
        slow.close()


async def test_more_listeners_than_can_be_served_are_told_when_to_come_again(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        for _ in range(hub.MOST_LISTENERS):
            served.daemon.state.hub.listen(None)
        answer = await served.get("/api/events")
        assert (answer.status, answer.headers["retry-after"]) == (503, "10")
        assert (await served.get("/api/registrations")).status == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("127.0.0.1:8160", 200),
        ("[::1]:8160", 200),
        ("192.0.2.11", 200),
        ("BOSTON", 200),
        ("phones.example.org", 200),  # set in pair.toml
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost@evil.example", 421),
        ("", 421),
    ],
)
async def test_a_request_under_a_name_that_is_not_ours_is_refused(tmp_path: Path, host: str, status: int) -> None:
    async with serving(tmp_path, watcher='hosts = ["phones.example.org"]') as served:
        assert (await served.get("/api/registrations", Host=host)).status == status


async def test_browsers_are_kept_in_bounds(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        for path in ("/", "/api/registrations", "/page/watcher.js", "/nothing-here"):
            headers = (await served.get(path)).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert headers["referrer-policy"] == "no-referrer"
            assert "access-control-allow-origin" not in headers
        assert (await served.get("/")).headers["cache-control"] == "no-store"
        asset = await served.get("/page/watcher.css")
        assert (await served.get("/page/watcher.css", If_None_Match=asset.headers["etag"])).status == 304
        for path in ("/page/../index.html", "/page/%2e%2e/index.html", "/page//etc/passwd"):
            assert (await served.get(path)).status == 404


async def test_nothing_can_be_changed(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            for path in ("/api/registrations", "/api/contacts", "/api/events", "/"):
                assert (await served.get(path, method=method)).status == 405


async def test_with_a_token_only_who_shows_it_is_answered(tmp_path: Path) -> None:
    async with serving(tmp_path, watcher='token_file = "watcher-token"') as served:
        for path in ("/api/registrations", "/api/contacts", "/api/events", "/metrics", "/openapi.json", "/readyz"):
            refused = await served.get(path)
            assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
            assert (await served.get(path, Authorization="Bearer wrong")).status == 401
            assert (await served.get(path, Authorization=f"Basic {TOKEN}")).status == 401
        assert (await served.get("/metrics", Authorization=f"Bearer {TOKEN}")).status == 200
        assert (await served.get("/healthz")).status == 200
        sent_on = await served.get("/")
        assert (sent_on.status, sent_on.headers["location"]) == (303, "/login")


async def test_a_reload_never_opens_to_everybody_what_still_listens_to_the_network(tmp_path: Path) -> None:
    async with serving(tmp_path, watcher='listen = "0.0.0.0"\ntoken_file = "watcher-token"') as served:
        machine_at(tmp_path, port=served.port)  # loopback, and no token: true of the next start alone
        served.daemon._configuration.reload()
        assert (await served.get("/api/registrations")).status == 401
        problems = (await served.get("/readyz", Authorization=f"Bearer {TOKEN}")).json()["problems"]
        assert any("was not taken over" in problem for problem in problems)


async def test_a_file_written_while_the_old_one_was_read_is_still_told_to_be_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path) as served:
        before = served.daemon.state.pair.digest
        refused = asyncio.Event()
        loop = asyncio.get_running_loop()

        def read_late(places: Places) -> str:
            """The old file's digest, known only after the next file was written and refused."""
            places.pair_toml.write_text("[pair\n")
            loop.call_soon_threadsafe(served.daemon._configuration.reload)
            loop.call_soon_threadsafe(refused.set)
            asyncio.run_coroutine_threadsafe(refused.wait(), loop).result(20)
            return before

        monkeypatch.setattr("ami_watcher.daemon.configuration.digest_of", read_late)
        served.daemon._configuration._stamp = None
        await served.daemon._configuration.look()
        problems = (await served.get("/readyz")).json()["problems"]
        assert any("was not taken over" in problem for problem in problems)


async def test_a_browser_logs_in_with_the_token_and_keeps_a_session_that_is_not_the_token(tmp_path: Path) -> None:
    async with serving(tmp_path, watcher='token_file = "watcher-token"') as served:
        assert b"Who is there?" in (await served.get("/login")).body
        began = time.monotonic()
        assert (await served.get("/login", "POST", urlencode({"token": "wrong"}))).status == 403
        assert time.monotonic() - began >= 0.5  # guessing is slow
        entered = await served.get("/login", "POST", urlencode({"token": TOKEN}))
        assert (entered.status, entered.headers["location"]) == (303, "/")
        cookie = entered.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        assert TOKEN not in cookie
        session = cookie.partition(";")[0]
        assert (await served.get("/", Cookie=session)).status == 200
        name, _, value = session.partition("=")
        until_when, _, proof = value.partition(".")
        later = f"{name}={int(until_when) + 1}.{proof}"
        for forged in (later, f"{name}=", f"{name}={until_when}.", f"{name}=\u00b2.{proof}", "=;=", f'{name}="'):
            assert (await served.get("/api/registrations", Cookie=forged)).status == 401, forged
        assert (await served.get("/login", "POST", "token=" + "x" * 10_000)).status == 413


async def test_text_from_outside_is_text_on_the_page_and_in_metrics(tmp_path: Path) -> None:
    hostile = '"><script>alert(1)</script>\n{{7*7}}'
    source = FakeSource(
        a_snapshot(
            registrations=(
                replace(a_registration("acme"), trunk=hostile, state=RegistrationState.UNEXPECTED, cause=hostile),
            ),
            contacts=(a_phone(hostile, user_agent=hostile),),
            asterisk_version=hostile,
        )
    )
    async with serving(tmp_path, source) as served:
        page = (await served.get("/?" + urlencode({"q": hostile}))).body.decode()
        assert "<script>alert" not in page
        assert "49" not in page.partition("<main>")[2].partition("</h2>")[0]
        metrics = (await served.get("/metrics")).body.decode()
        assert "alert" not in metrics.replace('asterisk="\\"><script>alert', "")
        assert "hotstandby_registrations_unexpected 1.0" in metrics


async def test_series_do_not_grow_with_what_phones_and_asterisk_call_things(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        before = (await served.get("/metrics")).body.count(b"\n")
        now = time.time()
        served.source.current = a_snapshot(
            registrations=tuple(
                Registration(f"stray{number}", "sip", RegistrationState.UNEXPECTED, since=now, proof=now)
                for number in range(500)
            ),
            contacts=tuple(a_phone(f"phone{number}") for number in range(500)),
        )
        await asyncio.sleep(0)
        assert (await served.get("/metrics")).body.count(b"\n") <= before


async def test_a_client_that_asks_for_nothing_does_not_keep_the_others_out(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        idle = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(40)]
        idle[0].sendall(b"GET /api/registrations HTTP/1.1\r\nHost: local")
        assert (await served.get("/api/registrations")).status == 200
        for connection in idle:
            connection.close()


async def test_what_is_no_http_is_refused_and_fills_no_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(tmp_path) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"\x16\x03\x01\x02\x00\x01\r\n\r\n")
        async with asyncio.timeout(5):
            assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        writer.close()
        assert (await served.get("/healthz")).status == 200
    assert "Invalid HTTP" not in caplog.text


STALLED = {
    "a request without an end": b"GET /api/registrations HTTP/1.1\r\nHost: local",
    "a form that never comes": b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000\r\n\r\n",
    "silence": b"",
}


@pytest.mark.parametrize("said", STALLED.values(), ids=STALLED.keys())
async def test_clients_that_stall_on_all_places_close_the_page_to_nobody(tmp_path: Path, said: bytes) -> None:
    async with serving(tmp_path, watcher='token_file = "watcher-token"') as served:
        listening, first = await asyncio.open_connection("127.0.0.1", served.port)
        who = f"Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        first.write(f"GET /api/events HTTP/1.1\r\n{who}".encode())
        events = Events(listening, await listening.readuntil(b"\r\n\r\n"))
        await events.next()
        stalled = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(web.MOST_CONNECTIONS + 40)]
        for _, writer in stalled:
            writer.write(said)
        await asyncio.sleep(0.2)
        assert (await served.get("/healthz")).status == 200
        assert (await served.get("/api/registrations", Authorization=f"Bearer {TOKEN}")).status == 200
        # Who listens keeps its place, though it came first.
        served.source.become("acme", RegistrationState.REJECTED)
        assert (await events.next())["event"] == "registration"
        for _, writer in [*stalled, (listening, first)]:
            writer.close()


@pytest.mark.parametrize(
    "first",
    [b"", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", STALLED["a form that never comes"]],
    ids=["at once", "after an answer", "in a form"],
)
async def test_a_request_has_so_much_time_in_all_however_it_drips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: bytes
) -> None:
    for name in ("FIRST_REQUEST_S", "NEXT_REQUEST_S", "ANSWER_S"):
        monkeypatch.setattr(web, name, 1.5)
    async with serving(tmp_path, watcher='token_file = "watcher-token"') as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(first)

        async def drip() -> None:
            while True:
                writer.write(b"G")
                await writer.drain()
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(20):
                while await reader.read(4096):
                    pass
        dripping.cancel()
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await dripping
        writer.close()


@pytest.mark.parametrize("accept", ["application/openmetrics-text; version=²", "text/plain;version=1.x", ",;=" * 500])
async def test_metrics_are_given_whatever_is_accepted(tmp_path: Path, accept: str) -> None:
    async with serving(tmp_path) as served:
        answer = await served.get("/metrics", Accept=accept)
        assert (answer.status, b"hotstandby_ami_up" in answer.body) == (200, True)


async def test_who_asks_for_another_protocol_fills_no_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(tmp_path) as served:
        answer = await served.get("/healthz", Connection="upgrade", Upgrade="websocket")
        assert answer.status == 200
    assert "upgrade" not in caplog.text.lower()
    assert "pip install" not in caplog.text
