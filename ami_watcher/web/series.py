"""The series that every trunk has, written straight into the text of an exposition.

A dozen for each of five thousand trunks would take prometheus_client a second; the bytes that come out are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client.utils import floatToGoString

from ami_watcher.web.documents import RegistrationDocument

STATES: Final = (
    "registered",
    "registering",
    "rejected",
    "unregistered",
    "gone",
    "unexpected",
    "unknown",
    "standby",
)
STATE: Final = "hotstandby_registration_state"


def series(rows: Iterable[RegistrationDocument], changes: Mapping[tuple[str, str], int], *, openmetrics: bool) -> str:
    """The families of registrations, as Prometheus' text format 0.0.4 or as OpenMetrics 1.0 has them.

    Args:
        rows: of trunks that pair.toml names, whose names need no escape in a label.
        changes: how often a trunk came into a state.
        openmetrics: which of the two it is.
    """
    up, wanted, state, since, expiry = [], [], [], [], []
    words = sorted(STATES)
    for row in rows:
        labels = f'{{channel="{row.channel}",trunk="{row.trunk}"}}'
        up.append(f"hotstandby_registration_up{labels} {float(row.state == 'registered')}\n")
        wanted.append(f"hotstandby_registration_wanted{labels} {float(row.state not in ('standby', 'unexpected'))}\n")
        begin, end = f'{STATE}{{channel="{row.channel}",{STATE}="', f'",trunk="{row.trunk}"}}'
        state.append("".join(f"{begin}{word}{end} {1.0 if word == row.state else 0.0}\n" for word in words))
        if row.since is not None:
            since.append(f"hotstandby_registration_since_timestamp_seconds{labels} {_number(row.since)}\n")
        if row.expiry_s is not None:
            expiry.append(f"hotstandby_registration_expiry_seconds{labels} {_number(row.expiry_s)}\n")
    total = "hotstandby_registration_changes_total"
    changed = [
        f'{total}{{state="{word}",trunk="{trunk}"}} {_number(number)}\n'
        for (trunk, word), number in sorted(changes.items())
    ]
    return "".join(
        (
            _head("hotstandby_registration_up", "gauge", "1 while the registration holds here."),
            *up,
            _head("hotstandby_registration_wanted", "gauge", "1 where the registration should hold here."),
            *wanted,
            _head(STATE, "stateset" if openmetrics else "gauge", "State of the registration."),
            *state,
            _head("hotstandby_registration_since_timestamp_seconds", "gauge", "When the state began."),
            *since,
            _head("hotstandby_registration_expiry_seconds", "gauge", "Expiry that was granted or asked for."),
            *expiry,
            _head(
                total.removesuffix("_total") if openmetrics else total,
                "counter",
                "Changes into a state since the daemon started.",
            ),
            *changed,
        )
    )


def _head(name: str, kind: str, words: str) -> str:
    return f"# HELP {name} {words}\n# TYPE {name} {kind}\n"


def _number(value: float) -> str:
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]
