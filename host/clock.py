"""Clocks that a lease and a journal can rely on."""

from __future__ import annotations

import time
from pathlib import Path


def boottime() -> float:
    """Seconds since boot, suspension included, unmoved by NTP steps (CLOCK_BOOTTIME, clock_gettime(2))."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """What is different after every boot: 36 characters (random(4), /proc/sys/kernel/random/boot_id)."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
