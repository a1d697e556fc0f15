"""The last valid pair.toml serves, loudly; secrets are refused where others could read them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from host.errors import UsageError
from host.places import Places
from pair import PairInvalid, SecretUnusable, active, parse, read, read_secret, secret_problems, this_machine
from pair.secret import secret_files
from tests.pair.example import EXAMPLE, FILE

SECRETS = ("secret_file", "key_file", "token_file")
"""How the keys that name one end."""


@pytest.fixture
def places(tmp_path: Path) -> Places:
    for name in ("config/secrets", "config/localized", "state", "run"):
        (tmp_path / name).mkdir(parents=True)
    places = Places(tmp_path / "config", tmp_path / "state", tmp_path / "run")
    places.pair_toml.write_text(EXAMPLE)
    return places


def test_an_invalid_edit_does_not_disarm_the_machine(places: Places) -> None:
    assert active(places).warning is None
    places.pair_toml.write_text(EXAMPLE.replace('channel = "sip"', 'channel = "spi"', 1))
    served = active(places)
    assert served.pair.trunks["acme"].channel == "sip"
    assert served.warning is not None
    assert "trunks.acme.channel: is 'spi'" in served.warning
    assert "the last valid one serves" in served.warning


HOSTILE = {
    "5,000 digits": ("a = " + "9" * 5_000, "a number of more than 4300 digits"),
    "5,000 hexadecimal digits": ("[watcher]\nport = 0x" + "f" * 5_000, "is a number of thousands of digits"),
    "3,000 brackets": ("a = " + "[" * 3_000, "nest deeper than can be read"),
    "3,000 braces": ("a = " + "{a = " * 3_000, "nest deeper than can be read"),
    "a key of 60,000 parts": (".".join("a" * 60_000) + " = 1", "a dotted key of more than 64 parts"),
    "a header of 60,000 parts": ("[" + ".".join(['"a"'] * 60_000) + "]", "a dotted key of more than 64 parts"),
    "100,000 keys": ("".join(f"key{number} = 1\n" for number in range(100_000)), "more problems; mend these first"),
    "an infinity": ("[watcher]\nport = inf", "watcher.port: is inf"),
    "4 MiB of nothing": (" " * (4 * 1024 * 1024 + 1), "is longer than 4 MiB"),
    "a byte that is not UTF-8": ("a = '\udcff'", "is not UTF-8 at byte 5"),
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_whatever_the_file_holds_the_last_valid_one_serves(places: Places, hostile: str) -> None:
    read(places)
    text, told = HOSTILE[hostile]
    places.pair_toml.write_bytes(text.encode(errors="surrogateescape"))
    served = active(places)
    assert served.pair.name == "secondsignal"
    assert served.warning is not None
    assert told in served.warning
    with pytest.raises(PairInvalid):
        read(places)


def test_dots_in_comments_and_texts_are_no_key_of_many_parts(places: Places) -> None:
    dots = ". " * 300
    places.pair_toml.write_text(f"# {dots}\n" + EXAMPLE.replace('"secondsignal"', f'"secondsignal" # "{dots}'))
    assert read(places).name == "secondsignal"


@pytest.mark.parametrize("kind", ["directory", "pipe", "loop"])
def test_what_is_no_file_is_neither_waited_for_nor_disarming(places: Places, kind: str) -> None:
    read(places)
    places.pair_toml.unlink()
    if kind == "directory":
        places.pair_toml.mkdir()
    elif kind == "pipe":
        os.mkfifo(places.pair_toml)
    else:
        places.pair_toml.symlink_to(places.pair_toml)
    served = active(places)
    assert served.pair.name == "secondsignal"
    assert "cannot be read" in (served.warning or "")


def test_a_file_that_vanished_does_not_disarm_it_either(places: Places) -> None:
    read(places)
    places.pair_toml.unlink()
    served = active(places)
    assert served.pair.name == "secondsignal"
    assert served.warning is not None


def test_without_a_last_valid_one_the_problems_are_told(places: Places) -> None:
    places.pair_toml.write_text("[pair]\n")
    with pytest.raises(PairInvalid):
        active(places)
    places.pair_toml.unlink()
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        active(places)


def test_an_altered_last_valid_one_does_not_serve(places: Places) -> None:
    read(places)
    (places.state / "pair.last-valid.toml").write_text("[pair]\n")
    places.pair_toml.write_text("[")
    with pytest.raises(PairInvalid, match="is not TOML"):
        active(places)


def test_a_state_directory_that_cannot_be_written_is_no_error(places: Places) -> None:
    elsewhere = Places(places.config, Path("/proc/nowhere"), places.run)
    assert read(elsewhere).name == "secondsignal"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (None, "does not say which machine this is .No such file or directory.. Write 'boston' or 'dallas' into it"),
        ("bostn\n", "says 'bostn', which is not a machine of this pair .boston, dallas.. Did you mean 'boston'?"),
    ],
)
def test_a_machine_that_does_not_know_its_name_is_told_so(places: Places, said: str | None, told: str) -> None:
    if said is not None:
        places.machine_file.write_text(said)
    with pytest.raises(UsageError, match=told):
        this_machine(places, read(places))


def test_a_machine_knows_its_name(places: Places) -> None:
    places.machine_file.write_text("dallas\n")
    assert this_machine(places, read(places)) == "dallas"


def test_a_secret_is_read_without_its_final_newline(places: Places) -> None:
    path = places.secrets / "acme"
    path.write_text("a;b'c \"d\n")
    path.chmod(0o640)
    assert read_secret(places, "acme") == "a;b'c \"d"


@pytest.mark.parametrize(
    ("data", "mode", "told"),
    [
        (b"hunter2\n", 0o644, "is open to every user of this machine"),
        (b"hunter2\n", 0o602, "is open to every user of this machine"),
        (b"\n", 0o600, "is empty"),
        (b"\xffhunter2", 0o600, "is not UTF-8 at byte 0"),
        (b"hunter2" * 10_000, 0o600, "is longer than 64 KiB"),
        (None, 0o600, "cannot be read: No such file or directory"),
    ],
)
def test_a_secret_that_cannot_be_used_is_refused_without_showing_it(
    places: Places, data: bytes | None, mode: int, told: str
) -> None:
    path = places.secrets / "acme"
    if data is not None:
        path.write_bytes(data)
        path.chmod(mode)
    with pytest.raises(SecretUnusable, match=told) as unusable:
        read_secret(places, "acme")
    assert "hunter2" not in str(unusable.value)


def test_a_secret_that_is_a_directory_or_a_pipe_is_refused_and_never_waited_for(places: Places) -> None:
    (places.secrets / "acme").mkdir()
    os.mkfifo(places.secrets / "own", 0o600)
    for name in ("acme", "own"):
        with pytest.raises(SecretUnusable, match="is not a regular file"):
            read_secret(places, name)


def test_all_unusable_secrets_of_a_machine_are_told_by_their_keys(places: Places) -> None:
    for name in ("ami", "acme", "own", "tsig.key"):
        (places.secrets / name).write_text("x")
        (places.secrets / name).chmod(0o600)
    pair = read(places)
    assert secret_problems(places, pair, "boston") == []
    assert [problem.key for problem in secret_problems(places, pair, "dallas")] == ["trunks.own.secret_file"]


def test_every_secret_that_pair_toml_can_name_is_looked_at() -> None:
    """Whatever section it stands in: what is found in the file is what is read."""
    more = """
[watcher]
token_file = "page"
[watcher.hooks]
webhook = "https://hooks.example/x"
webhook_token_file = "hook"
[carriers.api]
preset = "http"
dids = ["5551234567"]
secret_file = "api"
routes = { boston = "b", dallas = "d" }
"""
    text = EXAMPLE.replace('key_file = "tsig.key"', 'key_file = "tsig.key"\nnotify_key_file = "notify.key"') + more
    pair = parse(text.encode(), FILE)

    def named(value: object) -> set[str]:
        if isinstance(value, dict):
            own = {str(file) for key, file in value.items() if str(key).endswith(SECRETS) and file is not None}
            return own.union(*map(named, value.values()))
        return set()

    assert {"notify.key", "hook", "page", "api"} < named(pair.model_dump())
    looked_at = {file for machine in pair.machines for file in secret_files(pair, machine).values()}
    assert named(pair.model_dump()) <= looked_at


def test_a_file_that_everybody_may_write_is_not_believed_and_the_last_valid_one_serves(places: Places) -> None:
    """It names programs that root runs."""
    read(places)
    places.pair_toml.write_text(EXAMPLE.replace("secondsignal", "another"))
    places.pair_toml.chmod(0o666)
    served = active(places)
    assert served.pair.name == "secondsignal"
    assert f"chmod o-w {places.pair_toml}" in (served.warning or "")
    places.pair_toml.chmod(0o664)
    assert active(places).pair.name == "another"
