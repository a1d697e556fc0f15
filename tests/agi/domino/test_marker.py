"""Whose site an alias reaches: judged from addresses and from what the site says of itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agi.domino.marker import ExpectedSite, MarkerChecker, judged
from agi.domino.rows import DominoRow
from lab.domino import Domino, Site, Trouble
from tests.agi import phones

ADDRESSES = {"boston": "192.0.2.21", "dallas": "192.0.2.22"}
OWN = ("192.0.2.21",)


@pytest.mark.parametrize(
    ("reached", "values", "ok", "says"),
    [
        (OWN, ("boston",), True, "boston's own site"),
        (OWN, ("Boston",), True, "boston's own site"),
        (OWN, ("CN=Boston/O=Acme",), True, "boston's own site"),
        (OWN, ("Boston/Acme",), True, "boston's own site"),
        (OWN, ("192.0.2.21",), True, "boston's own site"),
        (OWN, ("something", "boston"), True, "boston's own site"),
        (OWN, ("dallas",), False, "the site of dallas, and this is boston"),
        (OWN, ("boston", "dallas"), False, "boston and dallas"),
        (OWN, ("elsewhere\n",), False, "names no machine of this pair, it says: elsewhere"),
        (OWN, (), False, "it says: nothing"),
        (("192.0.2.22",), ("boston",), False, "means 192.0.2.22 here, which is dallas"),
        ((*OWN, "::1"), ("boston",), False, "means ::1 here"),  # half of the calls would go there
    ],
)
def test_only_this_machines_name_proves_its_site(
    reached: tuple[str, ...], values: tuple[str, ...], ok: bool, says: str
) -> None:
    expected = ExpectedSite("domino-local", "boston", ADDRESSES, "/marker")
    found, said = judged(expected, reached, (DominoRow({"Machine": values}),))
    assert found is ok
    assert says in said


def test_without_a_marker_the_address_has_to_do() -> None:
    found, said = judged(ExpectedSite("domino-local", "boston", ADDRESSES, None), OWN, None)
    assert found
    assert "no marker" in said


@pytest.fixture
def domino() -> Iterator[Domino]:
    with Domino.serving(phones.data()) as serving:
        yield serving


@pytest.mark.parametrize("output", ["", "&OutputFormat=JSON"])
def test_the_checker_follows_what_the_site_says(domino: Domino, output: str, caplog: pytest.LogCaptureFixture) -> None:
    site = f"""
[domino.sites."127.0.0.1"]
boston = "127.0.0.1"
dallas = "127.0.0.2"
marker = "/marker.nsf/machine?ReadViewEntries{output}"
"""
    checker = MarkerChecker(phones.pair_with(site + phones.lookup(domino.port)), "boston", deadline_s=0.3)
    assert checker.state == {}
    checker.check()
    assert checker.state["127.0.0.1"].ok is True
    domino.content.data.sites = [Site("dallas", default=True)]
    checker.check()
    checker.check()
    assert checker.state["127.0.0.1"].ok is False
    assert not checker.ok
    assert caplog.text.count("reaches the site of dallas") == 1, "said when it changes, and not every minute"
    for trouble in (Trouble(login_page=True), Trouble(headers_after_s=5), Trouble(status=500), Trouble(body="{")):
        domino.trouble = trouble
        assert checker.check()["127.0.0.1"].ok is None, "nobody knows, and that is not wrong"
    assert checker.ok
    domino.trouble = Trouble()
    domino.content.data.sites = [Site("boston", default=True)]
    checker.start()
    checker.close()
