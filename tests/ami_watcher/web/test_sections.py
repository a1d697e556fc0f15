"""What of many trunks is shown first: the page as it is served."""

from __future__ import annotations

from pathlib import Path

import pytest

from ami_watcher.registrations.state_words import RegistrationState
from ami_watcher.web.live_page import FEW
from tests.ami_watcher.fake_source import FakeSource, a_registration, a_snapshot
from tests.ami_watcher.served import serving


async def page_of(tmp_path: Path, number: int) -> str:
    rows = [a_registration(f"trunk-{index:03d}") for index in range(number - 1)]
    rows.append(a_registration("zenith", RegistrationState.REJECTED, cause="the carrier refused it"))
    async with serving(tmp_path, FakeSource(a_snapshot(registrations=tuple(rows)))) as served:
        return (await served.get("/")).body.decode()


@pytest.mark.parametrize(("number", "folded"), [(FEW, 0), (FEW + 1, FEW), (150, 149)])
async def test_of_many_trunks_those_that_hold_are_folded_away(tmp_path: Path, number: int, folded: int) -> None:
    page = await page_of(tmp_path, number)
    before, _, inside = page.partition('id="resting"')
    inside = inside.partition("</details>\n<")[0]
    assert page.count('<tr role="row" id="trunk-') == number
    assert 'id="trunk-sip-zenith"' in before
    assert (f"{folded} more as they should be" in page) == bool(folded)
    assert inside.count('<tr role="row" id="trunk-sip-trunk-') == folded


async def test_more_trunks_than_the_page_holds_are_counted(tmp_path: Path) -> None:
    page = await page_of(tmp_path, 230)
    assert page.count('<tr role="row" id="trunk-') == 200
    assert "and 30 more: ami-watcher registrations" in page
    assert 'id="trunk-sip-zenith"' in page.partition('id="resting"')[0]
