"""panoramisk's FastAGI server with a route that sets one variable; `python -m bench.panoramisk_server PORT`."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from panoramisk import fast_agi


async def single(request: Any) -> None:
    """One command, its reply awaited."""
    await request.send_command('SET VARIABLE COMPANY "Acme"')


async def main() -> None:
    """Serves until it is ended."""
    application = fast_agi.Application(loop=asyncio.get_running_loop())
    application.add_route("single", single)
    server = await asyncio.start_server(application.handler, "127.0.0.1", int(sys.argv[1]), backlog=1024)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
