"""`make demo` shows what it promises, in order, on real servers."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.world

STORY = [
    "A quiet day: boston is primary, dallas is standby",
    "acme (SIP) is held by boston",
    "metro (IAX2) is held by boston",
    "nova (PJSIP) is held by boston",
    "looks callers up",
    "it is Jörg Müller",
    "calls better (by address): boston answers",
    "dallas said 503",
    "boston loses its power",
    "nobody answers",
    "$ render-localized --role primary --activate --peer-is-down demo",
    "acme (SIP) is held by dallas",
    "metro (IAX2) is held by dallas",
    "nova (PJSIP) is held by dallas",
    "calls better (by address): dallas answers",
    "it is Jörg Müller",
    "calls its own number 5552000 through the carrier, and answers",
    "the end that was called heard 1004 Hz",
    "the end that called heard 440 Hz",
    "Done:",
]


def test_the_demo_tells_its_whole_story() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lab", "demo"], capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rest = done.stdout
    for part in STORY:
        assert part in rest, f"'{part}' is missing, or in the wrong place, in:\n{done.stdout}"
        rest = rest.partition(part)[2]
    assert all(len(line) <= 100 for line in done.stdout.splitlines())
