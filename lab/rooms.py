"""How much of each room that ships the tests of a run went through: `python -m lab.rooms [LEAST]`.

Reads what pytest-cov left in .coverage: statements and branches, as coverage.py counts them together. With LEAST, a
percentage, it fails where all rooms together have less.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass
class Counted:
    """Statements and branches of some files."""

    all: int = 0
    run: int = 0

    @property
    def percent(self) -> float:
        """How many of them were run."""
        return 100.0 * self.run / self.all if self.all else 100.0

    def add(self, file: dict[str, int]) -> None:
        """Counts one file of coverage.py's JSON report."""
        self.all += file["num_statements"] + file["num_branches"]
        self.run += file["covered_lines"] + file["covered_branches"]


def read_rooms() -> dict[str, Counted]:
    """Each package and its inner ones by path, all below it counted, and everything under ""."""
    argv = [sys.executable, "-m", "coverage", "json", "-q", "-o", "-"]
    files = json.loads(subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout)["files"]
    rooms: dict[str, Counted] = defaultdict(Counted)
    for name, found in files.items():
        parents = PurePosixPath(name).parents
        for room in (str(one) for one in parents):
            rooms["" if room == "." else room].add(found["summary"])
    return rooms


def main() -> None:
    """Prints the table, one room a line."""
    rooms = read_rooms()
    for room in sorted(rooms):
        inner = room.count("/")
        print(f"{'  ' * inner}{room.rpartition('/')[2] or 'what ships':<{26 - 2 * inner}} {rooms[room].percent:6.1f} %")
    least = float(sys.argv[1]) if len(sys.argv) > 1 else 0.0
    if (found := rooms[""].percent) < least:
        sys.exit(f"The unit tests go through {found:.2f} % of what ships; it shall be {least:g} % at least.")


if __name__ == "__main__":
    main()
