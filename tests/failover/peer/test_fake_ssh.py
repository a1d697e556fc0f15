"""The fake ssh keeps to what the real one does: the same table, and tests/world/failover/test_fake_ssh.py."""

from __future__ import annotations

import contextlib
import io
import json

import pytest

from tests.fakes.peer_contract import EXPECTED, PROGRAM
from tests.fakes.two_machines import Ssh, TwoMachines


@pytest.mark.parametrize("behaviour", list(Ssh), ids=lambda one: one.name.lower())
def test_the_fake_behaves_as_the_table_says(machines: TwoMachines, behaviour: Ssh) -> None:
    machines.boston.ssh = behaviour
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(PROGRAM, {"here": machines.dallas.context, "json": json})
    assert json.loads(printed.getvalue()) == EXPECTED[behaviour]
