"""Whatever a file or an answer holds, its reader ends soon, in little memory, with an error that it documents.

Three fuzzers, of errors, time and memory, over all readers: a minute in `make test`, ten minutes each in `make soak`,
of which every reader has its share. HOTSTANDBY_FUZZ_S has them go on. What fails is kept in a file, which is named.
"""

from __future__ import annotations

import ast
import os
import random
import shutil
import signal
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

import host
from tests.fuzz.mutation import altered, growing
from tests.fuzz.readers import READERS, Reader

QUICK_S = float(os.environ.get("FUZZ_QUICK_S", "30")) / len(READERS)
"""Seconds of processor time for each reader's errors in `make test`; time and memory take the rest of the minute.
`make unit` gives all of them five."""
SOAK_S = float(os.environ.get("HOTSTANDBY_FUZZ_S", "600")) / len(READERS)
"""The same of each fuzzer in the soak."""
LATE_S = 20.0
"""Seconds of processor time after which one input of some 100 KB is called endless."""
each = pytest.mark.parametrize("reader", READERS, ids=[one.name for one in READERS])


@pytest.fixture
def directory() -> Iterator[Path]:
    """For readers of files, in memory."""
    path = Path("/dev/shm" if Path("/dev/shm").is_dir() else "/tmp") / f"hotstandby-fuzz-{os.getpid()}"
    path.mkdir()
    yield path
    shutil.rmtree(path)


class Endless(BaseException):
    """A reader was stopped."""


@pytest.fixture(autouse=True)
def stopped() -> Iterator[None]:
    """Ends a reader that goes on and on. re and json look for signals while they work."""

    def stop(*_: object) -> None:
        raise Endless

    before = signal.signal(signal.SIGPROF, stop)
    yield
    signal.setitimer(signal.ITIMER_PROF, 0.0)
    signal.signal(signal.SIGPROF, before)


def take(reader: Reader, data: bytes, directory: Path) -> float:
    """Seconds of processor time that one input takes. What it raises beyond its documents fails the test."""
    signal.setitimer(signal.ITIMER_PROF, LATE_S)
    began = time.process_time()
    try:
        reader.take(data, directory)
    except BaseException as error:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        kept = Path(os.environ.get("TMPDIR", "/tmp")) / f"hotstandby-fuzz-{reader.module.__name__}"
        kept.write_bytes(data)
        raise AssertionError(
            f"{reader.name} raised {type(error).__name__} of {len(data)} bytes, kept as {kept}: {data[:200]!r}"
        ) from error
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
    return time.process_time() - began


def fuzz(reader: Reader, directory: Path, chance: random.Random, seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        take(reader, altered(reader.seeds, chance), directory)


def grow(reader: Reader, directory: Path, chance: random.Random, *, tries: int, longest: int) -> None:
    """Four times the input may take some four times as long, and never ten."""
    patterns = growing(reader.seeds, chance)
    for _ in range(tries):
        first, part, last = next(patterns)
        size, before = 16, 0.0
        while size <= longest:
            data = first + part * (size // len(part)) + last
            took = take(reader, data, directory)
            if took > 0.1 and before > 0.002 and took > 10 * before:
                # A machine that is busy makes one measurement long, and hardly the best of five.
                short = first + part * (size // 4 // len(part)) + last
                took = min(take(reader, data, directory) for _ in range(5))
                before = min(take(reader, short, directory) for _ in range(5))
                assert took < 10 * max(before, 0.002), (
                    f"{reader.name} takes {before:.3f} s for {size // 4} bytes and {took:.3f} s for {size}: "
                    f"{first[-40:]!r} + {part!r} * n + {last[:40]!r}"
                )
            size, before = size * 4, took


@each
def test_a_genuine_input_is_read(reader: Reader, directory: Path) -> None:
    """A seed that is refused at once would hide everything behind."""
    for seed in reader.seeds:
        take(reader, seed, directory)


@each
def test_only_documented_errors(reader: Reader, directory: Path) -> None:
    fuzz(reader, directory, random.Random(reader.name), QUICK_S)


@each
def test_four_times_the_input_takes_some_four_times_as_long(reader: Reader, directory: Path) -> None:
    grow(reader, directory, random.Random(reader.name), tries=12, longest=16 * 1024)


def weigh(reader: Reader, directory: Path, chance: random.Random, *, longest: int) -> None:
    """Some memory for itself, and some for each byte of the input."""
    first, part, last = next(growing(reader.seeds, chance))
    data = first + part * (longest // len(part)) + last
    take(reader, data, directory)  # what is loaded and compiled once counts for nobody
    tracemalloc.start()
    try:
        take(reader, data, directory)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * 1024 * 1024 + 500 * len(data), (
        f"{reader.name} takes {peak} bytes for {len(data)}: {first[-40:]!r} + {part!r} * n + {last[:40]!r}"
    )


@each
def test_memory_is_in_proportion_to_the_input(reader: Reader, directory: Path) -> None:
    weigh(reader, directory, random.Random(reader.name), longest=16 * 1024)


def for_long(fuzzer: Callable[[random.Random], None]) -> None:
    chance = random.Random(time.time_ns())
    until = time.process_time() + SOAK_S
    while time.process_time() < until:
        fuzzer(chance)


@pytest.mark.soak
@each
def test_only_documented_errors_for_long(reader: Reader, directory: Path) -> None:
    fuzz(reader, directory, random.Random(time.time_ns()), SOAK_S)


@pytest.mark.soak
@each
def test_time_is_in_proportion_for_long(reader: Reader, directory: Path) -> None:
    for_long(lambda chance: grow(reader, directory, chance, tries=1, longest=256 * 1024))


@pytest.mark.soak
@each
def test_memory_is_in_proportion_for_long(reader: Reader, directory: Path) -> None:
    for_long(lambda chance: weigh(reader, directory, chance, longest=64 * 1024))


READS: Final = frozenset(
    {"from_json", "read_json", "read_file", "read_toml", "loads", "read_text", "read_bytes", "from_wire", "unpack"}
)
"""Names of calls with which a module takes apart what somebody else wrote."""
ELSEWHERE: Final = {
    "agi.install": "compares a launcher with ours, byte by byte",
    "agi.server.standalone": "its own /proc/self/stat",
    "ami_watcher.command": "our own document, spelled anew for a terminal",
    "ami_watcher.phones.exchange": "ami_watcher.phones.inventory reads",
    "ami_watcher.daemon.configuration": "a digest of pair.toml; pair.reading reads",
    "failover.bind.named": "copies what named-compilezone wrote; named_conf reads",
    "failover.command": "docstrings of our own subcommands",
    "failover.facts.gather": "/proc/PID/cmdline, cut at NUL; asterisk_conf reads the rest",
    "failover.steps.proof.call": "failover.steps.proof.tone reads",
    "host.clock": "the kernel's boot id",
    "pair.machine_name": "one line, compared with the names in pair.toml or with the right's",
    "localized.activation.activate": "our own generation; localized.activation.hosts_file reads",
    "localized.checks.foreign_registrations": "localized.asterisk.configuration reads",
    "localized.prepare": "digests of templates",
    "localized.render.render": "templates, which are programs (host.ownership)",
    "localized.checks.read_back": "our own generation, given to named-checkconf",
    "localized.generations.store": "our own generation, compared byte by byte",
}
"""Modules that call one of them and are read of otherwise, with the reason."""


def _calls(path: Path) -> set[str]:
    calls = [node.func for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.Call)]
    return {call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in calls}


def test_no_reader_of_the_house_is_missing() -> None:
    """A module that reads and is new belongs into the table, or it is said here why not."""
    root = Path(host.__file__).parent.parent
    known = {reader.module.__name__ for reader in READERS}
    reading = {
        ".".join(path.relative_to(root).with_suffix("").parts)
        for package in ("agi", "ami_watcher", "failover", "host", "localized", "pair")
        for path in (root / package).rglob("*.py")
        if _calls(path) & READS
    }
    assert sorted(reading - known - set(ELSEWHERE)) == []
    assert sorted(set(ELSEWHERE) & known) == []
    assert sorted(set(ELSEWHERE) - reading) == []
