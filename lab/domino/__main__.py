"""`python -m lab.domino`: the Domino server as a process."""

from __future__ import annotations

import argparse
import signal
from contextlib import suppress
from pathlib import Path

from lab.domino import Data, Domino, Site, from_json


def main() -> None:
    """Serves until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m lab.domino", description="Serves what a Domino web server would.")
    parser.add_argument("--bind", default="127.0.0.1:8080", help="ADDRESS:PORT")
    parser.add_argument("--site", default="boston", help="the site's name, which the marker says")
    parser.add_argument(
        "--host", action="append", default=[], help="a host name of the site; any other is answered too"
    )
    parser.add_argument("--data", type=Path, help="JSON, see lab.domino.from_json")
    given = parser.parse_args()
    data = from_json(given.data.read_text()) if given.data else Data()
    data.sites = [Site(given.site, hosts=tuple(given.host), default=True)]
    address, _, port = given.bind.rpartition(":")
    domino = Domino(data, address, int(port))
    signal.signal(signal.SIGTERM, lambda *_: domino.stop())
    print(f"domino-fake {given.site} listens on {address}:{domino.port}", flush=True)
    with suppress(KeyboardInterrupt):
        domino.run()


if __name__ == "__main__":
    main()
