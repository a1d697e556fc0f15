"""A run shown where its command prints, from the first event on."""

from __future__ import annotations

from failover.runner.progress import ProgressListener, made_at_first_event


def shown_from_first_event(*, as_json: bool) -> ProgressListener:
    """Shows a run where the command prints: on a terminal, in plain lines, or as JSON lines."""

    def make() -> ProgressListener:
        from failover.runner.progress_view import view  # rich: when something is shown, the others have been asked
        from host.terminal import console

        return view(console(), as_json=as_json)

    return made_at_first_event(make)
