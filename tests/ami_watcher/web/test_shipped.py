"""What is shipped beside the code names only what the code has."""

from __future__ import annotations

import asyncio
import configparser
import json
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from ami_watcher.event import EventKind, WatcherEvent
from ami_watcher.history.store import HistoryStore
from ami_watcher.notify.hooks import Notification, Programs
from ami_watcher.notify.notifier import Notifier
from ami_watcher.phones.exchange import ContactExchange
from ami_watcher.phones.inventory import ContactExport
from ami_watcher.web.events import EventHub
from ami_watcher.web.metrics import WatcherMetrics
from ami_watcher.web.watcher_state import WatcherState
from pair.readiness import Readiness
from tests.ami_watcher.fake_source import FakeSource, a_pair

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of all series that a watcher can export."""
    directory = tmp_path_factory.mktemp("state")
    exchange = ContactExchange(directory, machine="boston", other="dallas")
    store = HistoryStore(directory / "file", history_days=1, now=0.0)
    state = WatcherState(FakeSource(), a_pair(), "boston", store, EventHub("run1"), exchange)
    state.other_contacts = (ContactExport("dallas", 0.0, ()), "")
    state.notifiers = [Notifier(Programs(directory, deadline_s=1), attempts=1)]
    state.readiness = Readiness(at=0.0, exit=1, names=("clock",))
    metrics = WatcherMetrics(state)
    metrics.count("acme", "rejected")
    text = asyncio.run(metrics.exposition(""))[0].decode()
    return {line.partition("{")[0].partition(" ")[0] for line in text.splitlines() if not line.startswith("#")}


async def test_what_ready_found_is_a_metric_and_where_nobody_looked_there_is_none(tmp_path: Path) -> None:
    store = HistoryStore(tmp_path / "file", history_days=1, now=0.0)
    exchange = ContactExchange(tmp_path, machine="boston", other="dallas")
    state = WatcherState(FakeSource(), a_pair(), "boston", store, EventHub("run1"), exchange)
    assert b"hotstandby_ready" not in (await WatcherMetrics(state).exposition(""))[0]
    state.readiness = Readiness(at=1_800_000_000.0, exit=5, names=("clock", "acme"))
    lines = (await WatcherMetrics(state).exposition(""))[0].decode().splitlines()
    assert [line for line in lines if line.startswith("hotstandby_ready")] == [
        "hotstandby_ready_timestamp_seconds 1.8e+09",
        'hotstandby_ready_state{hotstandby_ready_state="degraded"} 1.0',
        'hotstandby_ready_state{hotstandby_ready_state="not_ready"} 0.0',
        'hotstandby_ready_state{hotstandby_ready_state="ready"} 0.0',
        'hotstandby_ready_finding{check="clock"} 1.0',
        'hotstandby_ready_finding{check="acme"} 1.0',
    ]


@pytest.mark.parametrize("file", ["prometheus/hotstandby.rules.yml", "prometheus/hotstandby.test.yml"])
def test_alerts_name_metrics_that_there_are(file: str, exported: set[str]) -> None:
    text = "\n".join(line for line in (DEPLOY / file).read_text().splitlines() if "rule_files" not in line)
    named = set(re.findall(r"\bhotstandby_\w+(?=[{ \[)])", text)) - {"hotstandby_registration_state="}
    assert named
    assert named <= exported


def test_the_board_shows_metrics_that_there_are(exported: set[str]) -> None:
    board = json.loads((DEPLOY / "grafana" / "hotstandby.json").read_text())
    asked = " ".join(target["expr"] for panel in board["panels"] for target in panel["targets"])
    named = set(re.findall(r"\bhotstandby_\w+(?!\w|=)", asked))
    assert named <= exported
    places = [tuple(panel["gridPos"].values()) for panel in board["panels"]]
    assert len(places) == len(set(places))


def test_the_page_of_the_documentation_names_every_metric(exported: set[str]) -> None:
    text = (ROOT / "docs" / "operate" / "watcher.md").read_text()
    for name in exported:
        if name.startswith("hotstandby_"):
            short = f"…{name.removeprefix('hotstandby_registration')}"
            assert name in text or short in text, name


def test_the_page_of_the_documentation_names_every_variable_of_a_hook() -> None:
    text = (ROOT / "docs" / "operate" / "watcher.md").read_text()
    entry = WatcherEvent(0.0, EventKind.REGISTRATION, "acme", "registered", "rejected", None)
    for name in Notification(entry, "boston", "secondsignal").environment:
        assert f"`{name}`" in text


def test_every_file_of_the_page_is_packaged() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    patterns = [line for line in setup["options.package_data"]["ami_watcher.web"].split() if line]
    page = ROOT / "ami_watcher" / "web" / "page"
    for file in page.rglob("*"):
        if file.is_file():
            assert any(fnmatch(str(file.relative_to(page.parent)), pattern) for pattern in patterns), file


def test_the_unit_tells_the_service_manager_what_the_daemon_does() -> None:
    unit = (DEPLOY / "ami-watcher.service").read_text()
    for line in (
        "Type=notify",
        "WatchdogSec=30",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "RuntimeDirectory=hotstandby/watcher",
    ):
        assert line in unit.splitlines()
