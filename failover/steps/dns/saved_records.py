"""Records as the journal keeps them, for the way back."""

from __future__ import annotations

from collections.abc import Sequence

from failover.journal.entry import Json
from failover.name_servers.agreement import RecordKey, Records


def records_as_json(records: Records) -> Json:
    """Name, type and values of each."""
    return [[name, kind, sorted(values)] for (name, kind), values in records.items()]


def records_from_json(saved: Json) -> Records:
    """Records as `records_as_json` wrote them."""
    found: dict[RecordKey, frozenset[str]] = {}
    assert isinstance(saved, Sequence)
    for item in saved:
        assert isinstance(item, Sequence)
        name, kind, values = item
        assert isinstance(values, Sequence)
        found[str(name), str(kind)] = frozenset(str(value) for value in values)
    return found
