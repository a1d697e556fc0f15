"""A primary and a standby that are alike: nothing differs between them, but for what is made to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lab import World
from tests.world.conftest import Worlds
from tests.world.failover.pairing import become, introduce

pytestmark = pytest.mark.world


@pytest.fixture(scope="module")
def world(worlds: Worlds) -> World:
    made = worlds("22", "22", sshd=True, trunks=["acme", "metro", "better"])
    introduce(made)
    become(made.boston, "primary")
    become(made.dallas, "standby")
    return made


def compared(world: World) -> tuple[int, dict[str, Any]]:
    done = world.dallas.run(["failover", "compare", "--json"])
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_what_differs_by_role_alone_is_no_difference(world: World) -> None:
    code, found = compared(world)
    assert (code, [one for one in found["differences"] if one["matters"]]) == (0, [])


def test_what_only_the_primary_has_in_its_database_is_told(world: World) -> None:
    world.boston.asterisk("database put CFIM 201 5552222")
    secret = world.dallas.path("/etc/hotstandby/secrets/acme")
    kept = secret.read_text()
    secret.write_text("another one")
    try:
        code, found = compared(world)
        names = {one["name"] for one in found["differences"]}
        assert code == 5
        assert {"call forwards on one machine alone", "secret: trunks.acme.secret_file"} <= names
    finally:
        world.boston.asterisk("database del CFIM 201")
        secret.write_text(kept)
    assert compared(world)[0] == 0
