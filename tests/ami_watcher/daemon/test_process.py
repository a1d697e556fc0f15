"""ami-watcher as it is run: a process, its signals, its service manager, and the commands that ask it.

Asterisk is a stand-in that says what a real one said; nothing else is stood in for.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pair.readiness import note_readiness
from tests.ami_watcher.fake_source import machine_at, pair_text, stand
from tests.ami_watcher.running import (
    Asked,
    Running,
    asterisk,
    command,
    environment_of,
    free_port,
    wait_for,
    watcher,
    watching,
)


async def test_it_follows_asterisk_and_answers_page_api_and_commands(tmp_path: Path) -> None:
    async with asterisk() as standin:
        port = free_port()
        places = machine_at(tmp_path, port=port, ami_port=standin.port)

        def visit() -> None:
            with watcher(places, port) as running:

                def state() -> Any:
                    document = json.loads(running.get("/api/registrations")[1])
                    return {row["trunk"]: row["state"] for row in document["registrations"]} == {
                        "acme": "registered",
                        "metro": "gone",
                        "nova": "gone",
                    }

                wait_for(state, "the lists are read")
                assert running.get("/readyz")[0] == 200
                wait_for(lambda: b">100<" in running.get("/")[1], "the phone is on the page")
                assert b'hotstandby_registration_up{channel="sip",trunk="acme"} 1.0' in running.get("/metrics")[1]
                assert running.get("/openapi.json")[0] == 200

                shown = running.command("registrations")
                assert shown.returncode == 0
                assert "metro" in shown.stdout
                assert shown.stdout.splitlines()[-1].startswith("next ")
                assert json.loads(running.command("registrations", "--json").stdout)["machine"] == "boston"
                assert "10.0.0.5:5060" in running.command("contacts").stdout
                assert "acme" in running.command("history", "acme").stdout
                missing = running.command("contacts", "--missing")
                assert "dallas has left no list" in missing.stdout
                checked = running.command("check")
                assert checked.returncode == 1  # metro and nova are gone, and not required
                assert checked.stdout.startswith("AMI-WATCHER WARNING - boston: ")
                assert "registered=1;;;0;3" in checked.stdout

        await asyncio.to_thread(visit)


async def test_sigterm_ends_it_whoever_listens(tmp_path: Path) -> None:
    async with asterisk() as standin:
        port = free_port()
        places = machine_at(tmp_path, port=port, ami_port=standin.port)

        def visit() -> None:
            with watcher(places, port) as running:
                streams = [running.listen() for _ in range(5)]
                assert all(stream.readline() for stream in streams)
                idle = socket.create_connection(("127.0.0.1", port))
                assert running.end() == 0, running.said()
                # Each stream ends as a whole answer, not as a broken connection.
                for stream in streams:
                    stream.read()
                idle.close()
                assert not (places.watcher_run / "ami-watcher.sock").exists()
                assert "Traceback" not in running.said()

        await asyncio.to_thread(visit)


async def test_sigterm_ends_it_while_asterisk_is_frozen(tmp_path: Path) -> None:
    async with asterisk() as standin:
        port = free_port()
        places = machine_at(tmp_path, port=port, ami_port=standin.port)

        asked = threading.Event()

        async def silence(*_: object) -> None:
            """Asterisk takes an action and says nothing."""
            asked.set()

        def visit() -> None:
            with watcher(places, port) as running:
                wait_for(lambda: running.get("/readyz")[0] == 200, "the lists are read")
                for action in ("SIPshowregistry", "IAXregistry", "PJSIPShowContacts", "Ping", "Logoff"):
                    standin.handlers[action] = silence
                assert asked.wait(60)
                assert running.end() == 0, running.said()

        await asyncio.to_thread(visit)


async def test_sighup_takes_over_a_good_pair_and_keeps_the_old_one_before_a_bad_one(tmp_path: Path) -> None:
    async with asterisk() as standin:
        port = free_port()
        places = machine_at(tmp_path, port=port, ami_port=standin.port)

        def trunks(running: Running) -> set[str]:
            return {row["trunk"] for row in json.loads(running.get("/api/registrations")[1])["registrations"]}

        def visit() -> None:
            with watcher(places, port) as running:
                wait_for(lambda: trunks(running) == {"acme", "metro", "nova"}, "three trunks")
                places.pair_toml.write_text("[pair]\nname = \n")
                running.process.send_signal(signal.SIGHUP)
                wait_for(lambda: "The old configuration stays in force" in running.said(), "the refusal is logged")
                assert trunks(running) == {"acme", "metro", "nova"}
                problems = json.loads(running.get("/readyz")[1])["problems"]
                assert any("was not taken over" in problem for problem in problems)

                text = pair_text(port=port, ami_port=standin.port)
                places.pair_toml.write_text(text[: text.index("[trunks.nova]")])
                running.process.send_signal(signal.SIGHUP)
                wait_for(lambda: trunks(running) == {"acme", "metro"}, "two trunks")
                assert json.loads(running.get("/readyz")[1])["problems"] == []

        await asyncio.to_thread(visit)


async def test_a_pair_toml_that_changes_is_followed_without_being_told(tmp_path: Path) -> None:
    """Whoever syncs it sends no signal: the new trunk was called unexpected, and a bad edit left the page green."""
    async with asterisk() as standin:
        port = free_port()
        places = machine_at(tmp_path, port=port, ami_port=standin.port)

        def document(running: Asked) -> dict[str, Any]:
            return dict(json.loads(running.get("/api/registrations")[1]))

        def trunks(running: Asked) -> set[str]:
            return {row["trunk"] for row in document(running)["registrations"]}

        def visit(running: Asked) -> None:
            wait_for(lambda: trunks(running) == {"acme", "metro", "nova"}, "three trunks")
            text = places.pair_toml.read_text()
            places.pair_toml.write_text(text[: text.index("[trunks.nova]")])
            wait_for(lambda: trunks(running) == {"acme", "metro"}, "two trunks")
            places.pair_toml.write_text("[pair]\nname = \n")
            wait_for(lambda: json.loads(running.get("/readyz")[1])["problems"], "the bad edit is told")
            assert trunks(running) == {"acme", "metro"}
            assert document(running)["level"] != "good"
            places.pair_toml.write_text(text)
            wait_for(lambda: not json.loads(running.get("/readyz")[1])["problems"], "the good one is in force")
            wait_for(lambda: trunks(running) == {"acme", "metro", "nova"}, "three trunks again")

        async with watching(places, port) as running:
            await asyncio.to_thread(visit, running)


async def test_what_ready_came_to_is_seen_without_being_told(tmp_path: Path) -> None:
    async with asterisk() as standin:
        port = free_port()
        places = machine_at(tmp_path, port=port, ami_port=standin.port)

        def visit(running: Asked) -> None:
            wait_for(lambda: b"hotstandby_ami_up 1" in running.get("/metrics")[1], "a session")
            assert b"hotstandby_ready" not in running.get("/metrics")[1]
            note_readiness(places, 1, ("clock",), 1_800_000_000.0)
            wait_for(lambda: b'hotstandby_ready_finding{check="clock"} 1' in running.get("/metrics")[1], "the finding")

        async with watching(places, port) as running:
            await asyncio.to_thread(visit, running)


async def test_a_new_role_is_seen_without_being_told(tmp_path: Path) -> None:
    async with asterisk() as standin:
        port = free_port()
        places = machine_at(tmp_path, port=port, ami_port=standin.port)

        def visit(running: Asked) -> None:
            stand(places, "standby")

            def wrong() -> Any:
                document = json.loads(running.get("/api/registrations")[1])
                rows = {row["trunk"]: row["state"] for row in document["registrations"]}
                return rows == {"acme": "unexpected", "metro": "standby", "nova": "standby"}

            wait_for(wrong, "acme is registered on a standby")
            assert running.command("check").returncode == 2

        async with watching(places, port) as running:
            await asyncio.to_thread(visit, running)


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        places = machine_at(tmp_path, port=port)
        done = command(environment_of(places), "run")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"Port {port} of 127.0.0.1 is taken by another program. See which with: ss -ltnp 'sport = :{port}' and end it, "
        "or set another port in [watcher] of pair.toml."
    ]


def test_a_directory_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    places = machine_at(tmp_path, port=free_port())
    done = command(environment_of(places) | {"HOTSTANDBY_RUN": "/proc/hotstandby"}, "run")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "/proc/hotstandby" in done.stderr


async def test_a_second_one_is_refused_and_names_the_first(tmp_path: Path) -> None:
    async with asterisk() as standin:
        port = free_port()
        places = machine_at(tmp_path, port=port, ami_port=standin.port)

        def visit() -> None:
            with watcher(places, port) as running:
                done = running.command("run")
                assert done.returncode == 1
                assert f"process {running.process.pid}" in done.stderr
                assert running.get("/healthz")[0] == 200

        await asyncio.to_thread(visit)


def test_listening_beyond_loopback_without_a_token_is_refused(tmp_path: Path) -> None:
    places = machine_at(tmp_path, watcher='listen = "0.0.0.0"')
    done = command(environment_of(places), "run")
    assert done.returncode == 2
    assert "token_file" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("argv", [["registrations"], ["contacts"], ["history"]])
def test_without_a_daemon_the_commands_say_how_to_start_it(tmp_path: Path, argv: list[str]) -> None:
    done = command(environment_of(machine_at(tmp_path)), *argv)
    assert done.returncode == 1
    assert "systemctl start ami-watcher" in done.stderr


def test_without_a_daemon_the_check_is_unknown(tmp_path: Path) -> None:
    done = command(environment_of(machine_at(tmp_path)), "check")
    assert done.returncode == 3
    assert done.stdout.startswith("AMI-WATCHER UNKNOWN - ami-watcher does not run")


async def test_an_asterisk_that_is_not_there_is_critical_and_said_in_words(tmp_path: Path) -> None:
    port = free_port()
    places = machine_at(tmp_path, port=port, ami_port=free_port())

    def visit(running: Asked) -> None:
        wait_for(lambda: running.command("check").returncode == 2, "the link is lost")
        assert "Nothing listens at 127.0.0.1" in running.command("check").stdout
        assert running.get("/readyz")[0] == 503
        assert running.get("/healthz")[0] == 200

    async with watching(places, port) as running:
        await asyncio.to_thread(visit, running)


async def test_the_service_manager_is_told_ready_watchdog_and_stopping(tmp_path: Path) -> None:
    async with asterisk() as standin:
        port = free_port()
        places = machine_at(tmp_path, port=port, ami_port=standin.port)

        def visit() -> None:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
                manager.bind(str(tmp_path / "notify"))
                manager.settimeout(5)
                heard: list[str] = []

                def hear(state: str) -> None:
                    while not any(state in text for text in heard):
                        heard.append(manager.recv(4096).decode())

                with watcher(places, port, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="1000000") as running:
                    hear("READY=1")
                    heard.clear()
                    hear("WATCHDOG=1")
                    hear("WATCHDOG=1")
                    running.process.send_signal(signal.SIGTERM)
                    hear("STOPPING=1")
                    running.process.wait(timeout=5)

        await asyncio.to_thread(visit)


async def test_under_the_journal_a_line_begins_with_its_priority_and_has_no_time(tmp_path: Path) -> None:
    async with asterisk() as standin:
        port = free_port()
        places = machine_at(tmp_path, port=port, ami_port=standin.port)

        def visit() -> None:
            with watcher(places, port, JOURNAL_STREAM="8:1") as running:
                wait_for(lambda: "<6>acme on boston is registered" in running.said(), "the registration is logged")

        await asyncio.to_thread(visit)


async def test_a_restart_keeps_history_and_since(tmp_path: Path) -> None:
    async with asterisk() as standin:
        port = free_port()
        places = machine_at(tmp_path, port=port, ami_port=standin.port)

        def acme(running: Asked) -> Any:
            document = json.loads(running.get("/api/registrations")[1])
            return next(
                (r for r in document["registrations"] if r["trunk"] == "acme" and r["state"] == "registered"), None
            )

        def first(running: Asked) -> Any:
            before = wait_for(lambda: acme(running), "acme is registered")
            wait_for(lambda: running.get("/api/history?subject=acme")[1].count(b'"after"') == 1, "it is in history")
            return before

        def second(running: Asked) -> Any:
            after = wait_for(lambda: acme(running), "acme is registered")
            return after, json.loads(running.get("/api/history?subject=acme")[1])

        async with watching(places, port) as running:
            before = await asyncio.to_thread(first, running)
        async with watching(places, port) as running:
            after, history = await asyncio.to_thread(second, running)
        assert after["since"] == pytest.approx(before["since"], abs=1.0)
        assert len(history["entries"]) == 1  # a restart of ours is no news
        assert history["complete"]


async def test_killed_in_the_middle_it_starts_again_with_what_it_had_written(tmp_path: Path) -> None:
    async with asterisk() as standin:
        port = free_port()
        places = machine_at(tmp_path, port=port, ami_port=standin.port)

        def visit() -> None:
            with watcher(places, port) as running:
                path = places.watcher_state / "ami-watcher.sqlite3"

                def written() -> bool:
                    with closing(sqlite3.connect(path, timeout=5)) as file:
                        tables = file.execute("SELECT 1 FROM sqlite_master WHERE name = 'entries'").fetchone()
                        return bool(tables and file.execute("SELECT 1 FROM entries WHERE subject = 'acme'").fetchone())

                # It answers before the file is there: the history has a thread of its own.
                wait_for(lambda: path.exists() and written(), "acme is in the file")
                running.end(signal.SIGKILL)
            with watcher(places, port) as running:
                assert b'"acme"' in running.get("/api/history?subject=acme")[1]

        await asyncio.to_thread(visit)


async def test_hooks_hear_of_a_change_with_its_words_in_their_environment(tmp_path: Path) -> None:
    async with asterisk() as standin:
        port = free_port()
        places = machine_at(tmp_path, port=port, ami_port=standin.port, watcher="hooks = { settle_s = 0.5 }")
        told = tmp_path / "told"
        hook = places.hooks / "watcher" / "10-tell"
        hook.parent.mkdir(parents=True)
        hook.write_text(f'#!/bin/sh\necho "$HOTSTANDBY_SUBJECT $HOTSTANDBY_AFTER: $HOTSTANDBY_SENTENCE" >> {told}\n')
        hook.chmod(0o755)

        def visit(running: Asked) -> None:
            wait_for(lambda: told.exists() and "acme registered: acme on boston" in told.read_text(), "it is told")

        async with watching(places, port) as running:
            await asyncio.to_thread(visit, running)


async def test_an_export_is_left_for_the_other_machine_and_its_own_is_read(tmp_path: Path) -> None:
    async with asterisk() as standin:
        port = free_port()
        places = machine_at(tmp_path, port=port, ami_port=standin.port)
        directory = places.contacts
        directory.mkdir()
        now = time.time()
        phone = {
            "name": "201",
            "channel": "pjsip",
            "address": "10.9.0.3:5060",
            "reach": "reachable",
            "user_agent": "Desk phone 1.0",
            "expires_at": now + 90,
            "first_seen": now - 9000,
            "last_seen": now - 400,
            "here": True,
        }
        dallas = {"format": 1, "machine": "dallas", "at": now - 400, "contacts": [phone]}
        (directory / "dallas.json").write_text(json.dumps(dallas))

        def visit(running: Asked) -> None:
            wait_for(lambda: (directory / "boston.json").exists(), "the export is written", 20)
            own = json.loads((directory / "boston.json").read_text())
            assert "100" in [item["name"] for item in own["contacts"]]
            missing = running.command("contacts", "--missing").stdout
            assert "201" in missing
            assert "in 8" in missing  # due within 90 s
            shutil.rmtree(directory)
            wait_for(
                lambda: "dallas has left no list" in running.command("contacts", "--missing").stdout,
                "it is gone",
                20,
            )

        async with watching(places, port) as running:
            await asyncio.to_thread(visit, running)


def test_every_command_has_help_with_an_example() -> None:
    for argv in ([], ["run"], ["registrations"], ["contacts"], ["history"], ["check"]):
        done = command(os.environ, *argv, "--help")
        assert done.returncode == 0
        assert "Example" in done.stdout
