"""How old the shared tree is: told where it is known, said where it is not, and never believed from a broken file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from failover.context import Context
from failover.facts.sync_age import read_sync_age
from failover.probe_result import ProbeAnswer
from host.places import Places
from tests.pair.example import example

NOW = datetime(2026, 3, 14, 3, 12, tzinfo=UTC)
THEN = NOW.timestamp() - 7200


@pytest.mark.parametrize(
    ("text", "age", "words"),
    [
        (f'{{"ended": {THEN}}}', 7200.0, "the last sync ended 2 h ago"),
        (f'{{"ended": {NOW.timestamp() + 60}}}', 0.0, "the last sync ended 0 s ago"),  # the clocks differ
        (None, None, "when the machines were last synced is not known"),
        ("{}", None, "does not say when the last sync ended"),
        ("[]", None, "does not say when the last sync ended"),
        ('{"ended": true}', None, "does not say when the last sync ended"),
        ('{"ended": 1e300}', None, "does not say when the last sync ended"),
        ('{"ended": "yesterday"}', None, "does not say when the last sync ended"),
        ('{"ended": 17', None, "cannot be read, so when the machines were last synced is not known"),
    ],
)
def test_the_age_is_what_the_sync_wrote_down(tmp_path: Path, text: str | None, age: float | None, words: str) -> None:
    context = Context(Places(tmp_path, tmp_path, tmp_path), example(), "dallas", "")
    if text is not None:
        (tmp_path / "sync.json").write_text(text)
    found, seconds = read_sync_age(context, NOW)
    assert seconds == age
    assert found.words.endswith(words)
    assert found.answer is (ProbeAnswer.UNKNOWN if age is None else ProbeAnswer.YES)
