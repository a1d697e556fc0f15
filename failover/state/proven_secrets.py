"""Which accounts' passwords this machine has seen the carrier take, and when: what a promotion knows beforehand.

Kept in the state directory for root alone, as digests under a key of the file's own: a password that was changed since
is another one, and has proved nothing yet.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable

from host.atomic import replace_file
from host.file_reading import MISREAD, read_json
from host.places import Places
from pair import Pair, SecretUnusable, read_secret

FILE = "proven-secrets.json"


def note(places: Places, pair: Pair, machine: str, trunks: Iterable[str], now: float) -> None:
    """Keeps that these trunks registered with the passwords that they have now; never raises for the disk.

    Args:
        now: unix seconds.
    """
    key, kept = _read(places)
    key = key or secrets.token_bytes(32)
    for name in trunks:
        digest = _digest(places, pair, machine, name, key)
        if digest:
            kept[name] = (digest, now)
    document = {"key": key.hex(), "trunks": {name: list(value) for name, value in kept.items()}}
    with contextlib.suppress(OSError):
        replace_file(places.state / FILE, json.dumps(document).encode() + b"\n", mode=0o600)


def last(places: Places, pair: Pair, machine: str) -> dict[str, float]:
    """Trunk -> unix seconds at which its present password registered last from here; nothing for one that never did."""
    key, kept = _read(places)
    return {
        name: at
        for name, (digest, at) in kept.items()
        # As bytes: of texts it takes ASCII alone, and a file that was damaged may hold anything.
        if name in pair.trunks
        and hmac.compare_digest(
            digest.encode("utf-8", "surrogatepass"), _digest(places, pair, machine, name, key).encode()
        )
    }


def _digest(places: Places, pair: Pair, machine: str, name: str, key: bytes) -> str:
    file = pair.trunk_on(name, machine).secret_file
    try:
        secret = read_secret(places, file) if file is not None else ""
    except SecretUnusable:
        return ""
    return hmac.new(key, f"{name}\0{secret}".encode(), hashlib.sha256).hexdigest() if secret else ""


def _read(places: Places) -> tuple[bytes, dict[str, tuple[str, float]]]:
    try:
        told = read_json(places.state / FILE)
        kept = {str(name): (str(value[0]), float(value[1])) for name, value in told["trunks"].items()}
        return bytes.fromhex(told["key"]), kept
    except (OSError, *MISREAD):
        return b"", {}
