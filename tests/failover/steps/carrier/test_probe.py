"""A look at the carriers changes nothing, and says of each whether it lets this machine in and where it routes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from failover.context import Context
from failover.probe_result import ProbeAnswer
from failover.steps.carrier import http as carrier_http
from failover.steps.carrier import probe
from failover.steps.carrier.probe import probe_carriers
from host.places import Places
from lab.carrier.web_api import SECRET, USER, CarrierApi
from pair import Pair


def context_of(api: CarrierApi, tmp_path: Path, base: str = "", secret: str = SECRET) -> Context:
    places = Places(tmp_path / "etc", tmp_path / "state", tmp_path / "run")
    places.secrets.mkdir(parents=True)
    (places.secrets / "api").write_text(secret + "\n")
    (places.secrets / "api").chmod(0o600)
    api.book.routes = {"15551234567": "dallas", "15551234568": "boston"}
    carrier = {
        "preset": "http",
        "dids": ["5551234567", "5551234568"],
        "account": USER,
        "secret_file": "api",
        "routes": {"boston": "boston", "dallas": "dallas"},
        "base": base or api.base,
        "plain_http": True,
    }
    machines = {
        "boston": {"public_address": "192.0.2.11", "preferred": True},
        "dallas": {"public_address": "192.0.2.12"},
    }
    carriers = {"acme": carrier, "byhand": {"preset": "manual", "phone": "+1 555 0100"}}
    pair = Pair.model_validate({"pair": {"name": "x"}, "machines": machines, "carriers": carriers})
    return Context(places, pair, "dallas")


def test_a_carrier_with_an_api_is_asked_and_one_that_people_call_is_not(tmp_path: Path) -> None:
    with CarrierApi() as api:
        (found,) = probe_carriers(context_of(api, tmp_path))
        assert api.writes == 0
    assert (found.answer, found.words) == (ProbeAnswer.YES, "carrier acme answers: 1 of 2 routed to dallas")


@pytest.mark.parametrize(
    ("kind", "answer", "words"),
    [
        ("ip-not-allowed", ProbeAnswer.REFUSED, "2 of 2 could not be read: .* refused"),
        ("login-page", ProbeAnswer.ODD, "2 of 2 could not be read: .*web page"),
        ("rate-limit", ProbeAnswer.ODD, "2 of 2 could not be read: .*too many requests"),
    ],
)
def test_why_a_carrier_cannot_be_read_is_a_kind_and_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, answer: ProbeAnswer, words: str
) -> None:
    monkeypatch.setattr(probe, "LOOK_S", 0.3)
    with CarrierApi() as api:
        api.misbehave(kind, times=1000)
        (found,) = probe_carriers(context_of(api, tmp_path))
    assert found.answer is answer
    assert re.search(words, found.words), found.words
    assert SECRET not in found.words


def test_nobody_there_is_silence_and_a_missing_secret_is_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "LOOK_S", 0.3)
    monkeypatch.setattr(carrier_http, "CALL_S", 0.3)
    with CarrierApi() as api:
        context = context_of(api, tmp_path, base="http://127.0.0.1:9")
        (found,) = probe_carriers(context)
        assert found.answer is ProbeAnswer.SILENT
        (context.places.secrets / "api").unlink()
        (found,) = probe_carriers(context)
    assert found.answer is ProbeAnswer.UNKNOWN
    assert "could not be asked" in found.words
    without = Context(context.places, context.pair.model_copy(update={"carriers": {}}), "dallas")
    assert probe_carriers(without) == []
