"""`failover status`."""

from __future__ import annotations

import click

from failover.context import Context, as_json, with_context


@click.command("status", epilog="Example: failover status --json | jq .next")
@as_json
@with_context
def command(context: Context, as_json: bool) -> None:
    """Who is primary, what is registered, what DNS says, and what to do next. Changes nothing; takes up to 6 s."""
    from failover.overview.status_view import show_status  # here, so that --help does not wait for it

    show_status(context, as_json=as_json)
