"""The last valid pair.toml serves, loudly; secrets are refused where others could read them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from host.errors import UsageError
from host.places import Places
from pair import PairInvalid, SecretUnusable, active, read, read_secret, secret_problems, this_machine
from tests.pair.example import EXAMPLE


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
