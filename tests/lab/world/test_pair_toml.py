"""The world's pair.toml is one that hotstandby accepts, whatever the machines run."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

import pair
from host.places import Places
from lab.carrier.accounts import account
from lab.computer.roots import RELEASES, Release
from lab.world.pair_toml import pair_toml, secrets


def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "etc", tmp_path / "var", tmp_path / "run")


def written(tmp_path: Path, text: str) -> Places:
    here = places(tmp_path)
    here.secrets.mkdir(parents=True)
    here.pair_toml.write_text(text)
    for name, secret in secrets().items():
        (here.secrets / name).write_text(secret)
        (here.secrets / name).chmod(0o600)
    return here


@pytest.mark.parametrize(("boston", "dallas"), [*itertools.product(RELEASES, RELEASES)])
def test_it_is_valid_for_every_pair_of_asterisks(boston: Release, dallas: Release, tmp_path: Path) -> None:
    here = written(tmp_path, pair_toml({"boston": boston, "dallas": dallas}))
    read = pair.read(here)
    for machine, release in (("boston", boston), ("dallas", dallas)):
        assert read.trunk_on("acme", machine).channel == ("sip" if release == "16" else "pjsip")
        assert read.trunk_on("nova", machine).channel == "pjsip"
        for name in read.trunks:
            trunk = read.trunk_on(name, machine)
            if trunk.secret_file is not None:
                assert pair.read_secret(here, trunk.secret_file)
    assert read.trunk_on("own", "boston").username != read.trunk_on("own", "dallas").username


def test_only_the_named_trunks_are_kept(tmp_path: Path) -> None:
    here = written(tmp_path, pair_toml({"boston": "16", "dallas": "22"}, trunks=["acme", "better"]))
    assert list(pair.read(here).trunks) == ["acme", "better"]


@pytest.mark.parametrize("name", ["own", "nobody", ""])
def test_an_account_that_is_not_one_is_said_with_those_that_are(name: str) -> None:
    with pytest.raises(KeyError, match="metro"):
        account(name)
