"""`render-localized` where no Asterisk runs: its exit codes, its words, and what it leaves as it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from host.places import Places
from localized.generations.store import GenerationStore
from localized.role import Role
from tests.localized import forked
from tests.localized.example import EXAMPLE, environment, lay_out
from tests.localized.forked import Done

WORD = ("--peer-is-down", "it burns")


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return lay_out(tmp_path)


def run(places: Places, *arguments: str, env: Mapping[str, str] | None = None) -> Done:
    return forked.run_here(places, arguments, env=env)


def words(text: str) -> str:
    """Without the line breaks that fit it into 100 columns."""
    return " ".join(text.split())


def activated(places: Places, role: str) -> str:
    word = WORD if role == "primary" else ()
    done = run(places, "--role", role, "--activate", "--without-asterisk", *word)
    assert done.returncode == 0, done.stdout + done.stderr
    found = GenerationStore(places).pointed_to("current")
    assert found is not None
    assert found.role is Role(role)
    return found.name


def test_rendering_puts_both_roles_on_disk_and_activates_none(places: Places) -> None:
    done = run(places, "--role", "primary")
    assert done.returncode == 0
    assert {found.role for found in GenerationStore(places).all()} == {Role.PRIMARY, Role.STANDBY}
    assert not (places.localized / "current").is_symlink()
    assert done.stdout.splitlines()[-1] == "next  render-localized --role primary --activate"


def test_a_swap_and_back_leaves_each_role_where_it_was(places: Places) -> None:
    first = activated(places, "standby")
    second = activated(places, "primary")
    assert activated(places, "standby") == first
    assert GenerationStore(places).pointed_to("previous") == GenerationStore(places).newest(Role.PRIMARY)
    assert second == GenerationStore(places).newest(Role.PRIMARY).name  # type: ignore[union-attr]


def test_the_hosts_block_is_written_by_an_activation(places: Places) -> None:
    hosts = places.config.parent / "hosts"
    hosts.write_text("127.0.0.1 localhost\n")
    activated(places, "standby")
    assert hosts.read_text().startswith("127.0.0.1 localhost\n# BEGIN hotstandby\n")
    assert "192.0.2.21 domino-local" in hosts.read_text()


def test_the_first_files_can_be_made_before_anything_includes_them(places: Places) -> None:
    (places.config.parent / "asterisk" / "sip.conf").write_text("[general]\n")
    done = run(places, "--role", "standby", "--activate", "--without-asterisk")
    assert done.returncode == 0
    assert "sip.conf does not include asterisk/sip-registrations.conf" in words(done.stdout)
    assert (places.localized / "current" / "asterisk" / "sip-registrations.conf").exists()


def test_primary_without_a_right_is_refused_and_says_what_to_type(places: Places) -> None:
    before = activated(places, "standby")
    done = run(places, "--role", "primary", "--activate", "--without-asterisk")
    assert done.returncode == 3
    assert "REFUSED: boston holds no right" in words(done.stderr)
    assert "failover promote" in words(done.stderr)
    assert GenerationStore(places).pointed_to("current").name == before  # type: ignore[union-attr]


def test_a_standby_needs_a_new_word(places: Places) -> None:
    activated(places, "primary")
    activated(places, "standby")
    assert run(places, "--role", "primary", "--activate", "--without-asterisk").returncode == 3
    assert run(places, "--rollback", "--without-asterisk").returncode == 3  # back to a primary is primary


def test_a_rollback_goes_to_the_generation_before(places: Places) -> None:
    before = activated(places, "standby")
    activated(places, "primary")
    assert run(places, "--rollback", "--without-asterisk").returncode == 0
    assert GenerationStore(places).pointed_to("current").name == before  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("damage", "code", "said"),
    [
        ("undefined", 2, "'nobody' is undefined"),
        ("no secret", 2, "cannot be read: No such file or directory"),
        ("open secret", 2, "is open to every user of this machine"),
        ("empty secret", 2, "is empty"),
        ("directory", 1, "is a directory, not a symbolic link"),
        ("unwired", 2, "does not include asterisk/sip-registrations.conf"),
        ("unwritable value", 2, "secret of trunk metro contains ':'"),
        ("broken template", 2, "'[' without ']'"),
    ],
)
def test_bad_input_is_one_clear_message_and_the_active_generation_stays(
    places: Places, damage: str, code: int, said: str
) -> None:
    before = activated(places, "standby")
    secret = places.secrets / "metro"
    match damage:
        case "undefined":
            places.templates.mkdir()
            (places.templates / "hosts.j2").write_text("{{ nobody }}")
        case "no secret":
            secret.unlink()
        case "open secret":
            secret.chmod(0o644)
        case "empty secret":
            secret.write_text("\n")
        case "directory":
            (places.localized / "current").unlink()
            (places.localized / "current").mkdir()
        case "unwired":
            (places.config.parent / "asterisk" / "sip.conf").write_text("[general]\n")
        case "unwritable value":
            secret.write_text("a:b\n")
        case "broken template":
            (places.templates / "asterisk").mkdir(parents=True)
            (places.templates / "asterisk" / "more.conf.j2").write_text("[a\n")
    done = run(places, "--role", "primary", "--activate", "--without-asterisk", *WORD)
    assert (done.returncode, said in words(done.stderr)) == (code, True), done.stderr
    assert "Traceback" not in words(done.stderr)
    current = GenerationStore(places).pointed_to("current")
    assert current is None if damage == "directory" else current is not None and current.name == before


def test_a_broken_pair_toml_is_loud_and_the_last_valid_one_serves(places: Places) -> None:
    activated(places, "standby")
    places.pair_toml.write_text(places.pair_toml.read_text() + "\n[nonsense\n")
    done = run(places, "--role", "primary", "--activate", "--without-asterisk", *WORD)
    assert done.returncode == 0
    assert "WARNING" in words(done.stderr)
    assert "not TOML" in words(done.stderr)
    assert run(places, "--check").returncode == 2


def test_the_newest_generation_can_be_activated_although_nothing_renders(places: Places) -> None:
    activated(places, "standby")
    (places.secrets / "metro").unlink()
    done = run(places, "--role", "primary", "--activate", "--last-valid", "--without-asterisk", *WORD)
    assert done.returncode == 0
    assert GenerationStore(places).pointed_to("current").role is Role.PRIMARY  # type: ignore[union-attr]


def test_a_second_run_at_once_names_the_first(places: Places) -> None:
    places.run.mkdir()
    holder = (
        "import sys,time; from pathlib import Path; from host.lock import Lock\n"
        "with Lock(Path(sys.argv[1]), 'render-localized --role standby --activate'):\n"
        "    print('held', flush=True); time.sleep(30)"
    )
    lock = str(places.run / "render-localized.lock")
    with subprocess.Popen([sys.executable, "-c", holder, lock], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        first.stdout.readline()
        done = run(places, "--role", "standby", "--activate", "--without-asterisk")
        first.kill()
    assert done.returncode == 1
    assert f"Already running: render-localized --role standby --activate (process {first.pid}" in words(done.stderr)


def test_no_asterisk_is_one_clear_line_and_nothing_is_swapped(places: Places) -> None:
    before = activated(places, "standby")
    done = run(places, "--role", "primary", "--activate", *WORD, env={"PATH": "/nowhere"})
    assert done.returncode == 1
    assert "'asterisk' was not found" in words(done.stderr)
    assert GenerationStore(places).pointed_to("current").name == before  # type: ignore[union-attr]


def test_an_asterisk_that_never_answers_is_left_at_its_deadline(tmp_path: Path) -> None:
    frozen = tmp_path / "bin" / "asterisk"
    frozen.parent.mkdir()
    frozen.write_text("#!/bin/sh\nsleep 60\n")
    frozen.chmod(0o755)
    text = EXAMPLE.replace("[asterisk]\n", f'[asterisk]\ncommand = "{frozen}"\nreload_deadline_s = 1.0\n')
    places = lay_out(tmp_path, text)
    before = activated(places, "standby")
    started = time.monotonic()
    done = run(places, "--role", "primary", "--activate", *WORD)
    assert done.returncode == 1
    assert "did not answer 'core waitfullybooted' within 1 s" in words(done.stderr)
    assert time.monotonic() - started < 45
    assert GenerationStore(places).pointed_to("current").name == before  # type: ignore[union-attr]


def test_a_diff_shows_what_changes_and_masks_secrets(places: Places) -> None:
    activated(places, "standby")
    done = run(places, "--role", "primary", "--diff")
    assert done.returncode == 0
    assert "+register => 5551000:********@sip.acme.example/5551000~120" in done.stdout
    assert "'secret'" not in done.stdout
    assert done.stdout.splitlines()[-1] == "next  render-localized --role primary --activate"
    assert run(places, "--diff").stdout == "boston as standby: nothing would change\nnext  nothing to do\n"


def test_a_diff_says_that_a_secret_changes_and_not_which(places: Places) -> None:
    activated(places, "standby")
    (places.secrets / "metro").write_text("another\n")
    done = run(places, "--diff")
    assert "asterisk/iax-registrations.conf: a secret in it changes" in done.stdout
    assert "another" not in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [("--check",), ("--role", "standby", "--diff"), ("--role", "standby"), ("--role", "primary", "--activate")],
)
def test_json_is_one_object_with_the_exit_code_in_it(places: Places, arguments: tuple[str, ...]) -> None:
    done = run(places, *arguments, "--json")
    assert json.loads(done.stdout)["exit"] == done.returncode


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--activate",),
        ("--check", "--diff"),
        ("--role", "king"),
        ("--reload", "--role", "primary"),
        ("--role", "primary", "--activate", "--peer-is-down", " "),
    ],
)
def test_wrong_usage_is_exit_code_2(places: Places, arguments: tuple[str, ...]) -> None:
    assert run(places, *arguments).returncode == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("--role", "primary", *WORD),
        ("--check", *WORD),
        ("--role", "standby", "--last-valid"),
        ("--reload", "--without-asterisk"),
        ("--diff", "--without-asterisk"),
    ],
)
def test_an_option_that_would_do_nothing_is_wrong_usage(places: Places, arguments: tuple[str, ...]) -> None:
    done = run(places, *arguments)
    assert done.returncode == 2
    assert "alone it would do nothing" in words(done.stderr)


def test_what_is_active_already_is_not_asked_to_be_activated(places: Places) -> None:
    activated(places, "standby")
    done = run(places, "--role", "standby")
    assert done.stdout.startswith("boston as standby: on disk, and active: nothing has changed")
    assert done.stdout.splitlines()[-1] == "next  nothing to do"


def test_a_warning_is_counted_and_everything_else_is_as_it_must_be(places: Places) -> None:
    assert run(places, "--check").stdout == "boston: everything is as it must be\nnext  nothing to do\n"
    text = places.pair_toml.read_text()
    dns = """[dns]
zone = "acme.example"
ttl_s = 30
method = "update"
key_file = "no-such-key"
servers = { boston = "192.0.2.11", dallas = "192.0.2.12" }
"""
    places.pair_toml.write_text(f"{text}\n{dns}")
    done = run(places, "--check")
    assert done.returncode == 0
    assert done.stdout.startswith("boston: everything is as it must be, but for 1 warning\nwarning: DNS: The secret ")
    assert "Nothing was rendered" not in done.stdout
    assert done.stdout.splitlines()[-1] == "next  look at the warning; nothing has to be done"
    (places.secrets / "metro").unlink()
    assert run(places, "--check").stdout.startswith("boston: 1 to mend, and 1 warning\nerror: The secret ")


def test_no_line_is_wider_than_a_hundred_columns(places: Places) -> None:
    for arguments in (("--check",), ("--role", "standby"), ("--help",)):
        assert max(map(len, run(places, *arguments).stdout.splitlines())) <= 100


@pytest.mark.skipif(os.geteuid() != 0, reason="gives up root's rights, so it must have them")
def test_without_the_right_to_write_it_says_so(places: Places) -> None:
    script = (
        "import os, sys; from localized.command import main\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534); sys.argv[1:] = ['--role', 'standby']; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment(places), cwd="/", check=False
    )
    assert done.returncode in (1, 2)
    assert "may not be read or written by this user" in words(done.stderr)
    assert "Traceback" not in words(done.stderr)
