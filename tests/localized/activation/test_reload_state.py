"""What is reloaded first after a swap: whatever takes longest until it has registered."""

from __future__ import annotations

import pytest

from localized.activation.reload_state import in_order

ALL = ["chan_iax2.so", "chan_sip.so", "pbx_config.so", "res_pjsip.so"]


@pytest.mark.parametrize(
    ("channels", "first", "beside"),
    [
        ({"sip", "iax2", "pjsip"}, ["res_pjsip.so", "chan_sip.so", "chan_iax2.so"], ["pbx_config.so"]),
        ({"sip", "iax2"}, ["chan_sip.so", "chan_iax2.so"], ["pbx_config.so", "res_pjsip.so"]),
        (set(), [], ALL),
    ],
)
def test_what_registers_comes_first_and_the_slowest_first_of_all(
    channels: set[str], first: list[str], beside: list[str]
) -> None:
    assert in_order(ALL, channels) == (first, beside)
