"""Registrations of a machine written by hand, for what must not depend on what renders them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from lab.carrier.accounts import CARRIER, account
from lab.computer.roots import Release
from lab.world.machine import Machine

EACH_DRIVER: Final = ("acme", "metro", "nova")
"""A trunk of each channel driver."""


def write_registrations(
    machine: Machine,
    release: Release,
    *,
    trunks: Sequence[str] = EACH_DRIVER,
    wrong: bool = False,
    expiry_s: int = 20,
    retry_s: int = 5,
) -> None:
    """Makes a machine register these trunks, and nothing else, as rendered includes would; reloads every driver.

    Args:
        wrong: with a secret that the carrier refuses.
        expiry_s: what SIP and PJSIP ask for.
        retry_s: PJSIP's pause after every kind of refusal; 0: it gives up at once and for ever.
    """
    sip, iax, auth, registrations = [], [], [], []
    for name in dict.fromkeys((*trunks, *EACH_DRIVER)):
        entry = account(name)
        channel = entry.channel(release)
        secret = "wrong" if wrong else entry.secret
        if channel == "pjsip":
            # As rendered ones, credentials stay: without them PJSIP cannot take a binding back.
            auth.append(
                f"[{name}]\ntype = auth\nauth_type = userpass\nusername = {entry.username}\npassword = {secret}\n"
            )
        if name not in trunks:
            continue
        if channel == "sip":
            sip.append(f"register => {entry.username}:{secret}@{CARRIER}/{entry.username}~{expiry_s}\n")
        elif channel == "iax2":
            iax.append(f"register => {entry.username}:{secret}@{CARRIER}\n")
        else:
            registrations.append(
                f"[{name}]\ntype = registration\ntransport = transport-udp\nserver_uri = sip:{CARRIER}\n"
                f"client_uri = sip:{entry.username}@{CARRIER}\ncontact_user = {entry.username}\n"
                f"outbound_auth = {name}\nexpiration = {expiry_s}\nretry_interval = {retry_s or 5}\n"
                f"max_retries = {1000000 if retry_s else 0}\nforbidden_retry_interval = {retry_s}\n"
                f"fatal_retry_interval = {retry_s}\nauth_rejection_permanent = {'no' if retry_s else 'yes'}\n"
                "max_random_initial_delay = 1\n"
            )
    # A new comment makes a new file: Asterisk's cache compares size and time alone.
    stamp = f"; {time.monotonic_ns()}\n"
    directory = "/etc/hotstandby/localized/generations/0-empty/asterisk"
    for name, parts in {
        "sip-registrations.conf": sip,
        "iax-registrations.conf": iax,
        "pjsip-auth.conf": auth,
        "pjsip-registrations.conf": registrations,
    }.items():
        machine.write(f"{directory}/{name}", stamp + "".join(parts))
    if release == "16":
        machine.asterisk("sip reload")
    machine.asterisk("iax2 reload")
    machine.asterisk("module reload res_pjsip.so")
