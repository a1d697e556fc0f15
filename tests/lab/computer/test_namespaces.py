"""Processes of a machine, as the lab lists them and sends them signals."""

from __future__ import annotations

import signal
import subprocess

from lab.computer.namespaces import signal_all


def test_a_signal_to_many_passes_over_those_that_have_ended_since_they_were_listed() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    running = subprocess.Popen(["sleep", "60"])
    signal_all([ended.pid, running.pid], signal.SIGKILL)
    assert running.wait(10) == -signal.SIGKILL
