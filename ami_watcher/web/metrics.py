"""Prometheus metrics, made from what is known at the moment they are asked for.

Labels hold names of pair.toml and words of ours alone. What Asterisk or a phone calls itself is never one: whoever can
register could otherwise make series without end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
    StateSetMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from ami_watcher.event import LinkState
from ami_watcher.phones.contact import Reach
from ami_watcher.registrations.state_words import STANDBY, RegistrationState
from ami_watcher.web.documents import RegistrationDocument
from ami_watcher.web.state_view import StateView
from ami_watcher.web.watcher_state import WatcherState
from host.exits import Exit
from pair.readiness import Readiness

STATES: Final = tuple(sorted((*RegistrationState, STANDBY)))
"""Values of the label of hotstandby_registration_state."""
STATE: Final = "hotstandby_registration_state"
READY_STATES: Final = {Exit.DONE: "ready", Exit.DEGRADED: "degraded", Exit.FAILED: "not_ready"}
"""Exit codes of `failover ready`, as states."""
CHANNELS: Final = ("sip", "iax2", "pjsip")
END: Final = b"# EOF\n"
"""The last line of OpenMetrics."""
KINDS: Final = ("application/openmetrics-text", "text/plain")
MOST_KINDS: Final = 100
"""In an Accept header; Prometheus names five."""


class WatcherMetrics:
    """Counts, and writes down what is known when it is asked."""

    def __init__(self, state: WatcherState) -> None:
        """
        Args:
            state: what is known.
        """
        self._state = state
        self._process = ProcessCollector(registry=None)
        self.changes: Counter[tuple[str, str]] = Counter()
        """Changes of registrations since the start, by trunk of pair.toml and new state."""

    def count(self, trunk: str, state: str) -> None:
        """Counts a change; one of a registration that pair.toml does not know counts for nobody."""
        if trunk in self._state.pair.trunks and state in STATES:
            self.changes[(trunk, state)] += 1

    async def exposition(self, accept: str) -> tuple[bytes, str]:
        """Everything as of now, and its media type.

        Args:
            accept: header of the request.
        """
        # What only the loop may look at is looked at here; the text is written beside it.
        changes = dict(self.changes)
        daemon = tuple(self._daemon())
        return await self._state.compute(lambda view: self._written(view, daemon, changes, accept))

    def _written(
        self, view: StateView, daemon: tuple[Metric, ...], changes: Mapping[tuple[str, str], int], accept: str
    ) -> tuple[bytes, str]:
        # The kind alone: the library compares whatever stands behind `version=` with a number.
        kinds = [one.partition(";")[0].strip() for one in accept.split(",", MOST_KINDS)]
        encode, kind = choose_encoder(next((one for one in kinds if one in KINDS), ""))
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Families((*daemon, *_moment(view))))
        registry.register(self._process)
        text = encode(registry)
        openmetrics = text.endswith(END)
        rows = [row for row in view.registrations.registrations if row.trunk in view.pair.trunks]
        own = series(rows, changes, openmetrics=openmetrics).encode()
        return (text.removesuffix(END) + own + END if openmetrics else text + own), kind

    def _daemon(self) -> Iterable[Metric]:
        state = self._state
        yield _gauge("hotstandby_store_up", "1 while history reaches the disk.", state.store.problem is None)
        yield _gauge("hotstandby_event_listeners", "Clients of /api/events now.", state.hub.listeners)
        yield from _readiness(state.readiness)
        notices = CounterMetricFamily(
            "hotstandby_notices",
            "Changes told to hooks and the web hook, by what became of them.",
            labels=("to", "result"),
        )
        for notifier in state.notifiers:
            for result in ("delivered", "failed", "dropped"):
                notices.add_metric((notifier.destination.name, result), getattr(notifier, result))
        yield notices


class _Families(Collector):
    """Families that are made already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        return self._families


def _moment(view: StateView) -> Iterable[Metric]:
    """What is true of one moment, but for the trunks one by one."""
    snapshot, health = view.snapshot, view.health
    info = InfoMetricFamily("hotstandby_watcher", "The daemon, and the Asterisk that it follows.")
    info.add_metric(
        (), {"version": health.version, "machine": view.machine, "asterisk": snapshot.asterisk_version[:64]}
    )
    yield info
    yield _gauge("hotstandby_ami_up", "1 while the lists of Asterisk are read.", snapshot.link is LinkState.SYNCED)
    link = StateSetMetricFamily("hotstandby_ami_state", "State of the connection to Asterisk.")
    link.add_metric((), {state.value.replace(" ", "_"): state is snapshot.link for state in LinkState})
    yield link
    if snapshot.registrations_at is not None:
        yield _gauge(
            "hotstandby_ami_last_list_timestamp_seconds",
            "When the lists of registrations were last read.",
            snapshot.registrations_at,
        )
    yield _gauge(
        "hotstandby_primary",
        "1 while this machine's active configuration is the primary's.",
        snapshot.role == "primary",
    )
    yield _gauge("hotstandby_watcher_problems", "What /readyz names as wrong.", len(health.problems))
    unexpected = sum(row.state == RegistrationState.UNEXPECTED for row in view.registrations.registrations)
    yield _gauge("hotstandby_registrations_unexpected", "Registrations that hold here and must not.", unexpected)
    yield from _phones(view)


def _readiness(found: Readiness | None) -> Iterable[Metric]:
    """What `failover ready` said last; where nobody looked there is no series, and no word that all is well."""
    if found is None:
        return
    yield _gauge("hotstandby_ready_timestamp_seconds", "When failover ready last looked on this machine.", found.at)
    state = StateSetMetricFamily("hotstandby_ready_state", "What it found.")
    state.add_metric((), {word: found.exit == code for code, word in READY_STATES.items()})
    yield state
    findings = GaugeMetricFamily(
        "hotstandby_ready_finding", "1 for each check that found something.", labels=("check",)
    )
    for name in dict.fromkeys(found.names):
        findings.add_metric((name,), 1.0)
    yield findings


def _phones(view: StateView) -> Iterable[Metric]:
    document = view.contacts(limit=0)
    counted = Counter((item.channel, item.reach) for item in view.snapshot.contacts)
    contacts = GaugeMetricFamily(
        "hotstandby_contacts", "Phones and peers that are registered here.", labels=("channel", "reach")
    )
    for channel in CHANNELS:
        for reach in Reach:
            contacts.add_metric((channel, reach.value), counted[(channel, reach)])
    yield contacts
    yield _gauge("hotstandby_contacts_missing", "Phones that have not come back.", len(document.missing))
    if document.other_at is not None:
        yield _gauge(
            "hotstandby_contacts_other_timestamp_seconds",
            "When the other machine wrote its list of phones.",
            document.other_at,
        )


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value=float(value))


def series(rows: Iterable[RegistrationDocument], changes: Mapping[tuple[str, str], int], *, openmetrics: bool) -> str:
    """The families of registrations, as Prometheus' text format 0.0.4 or as OpenMetrics 1.0 has them.

    Written straight into text: a dozen series for each of five thousand trunks would take prometheus_client a second.
    The bytes that come out are the same.

    Args:
        rows: of trunks that pair.toml names, whose names need no escape in a label.
        changes: how often a trunk came into a state.
        openmetrics: which of the two it is.
    """
    up, wanted, state, since, expiry = [], [], [], [], []
    for row in rows:
        labels = f'{{channel="{row.channel}",trunk="{row.trunk}"}}'
        up.append(f"hotstandby_registration_up{labels} {float(row.state == 'registered')}\n")
        wanted.append(f"hotstandby_registration_wanted{labels} {float(row.held_here)}\n")
        begin, end = f'{STATE}{{channel="{row.channel}",{STATE}="', f'",trunk="{row.trunk}"}}'
        state.append("".join(f"{begin}{word}{end} {1.0 if word == row.state else 0.0}\n" for word in STATES))
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
