"""Whether both machines have the same secrets, without either telling the other what they are.

Whoever asks sends keyed digests of its own over ssh's standard input, under a key drawn for this one question; the
other one says which differ from its own, and no more. So nothing that could be guessed at leisure comes back to
whoever holds the peer's key, and no command line and no log holds any of it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field, StringConstraints

from failover.context import Context
from failover.peer.messages import PeerAnswer, SecretsReport, Text
from pair import SecretUnusable, read_secret
from pair.secret import secret_files

OWN: Final = ("asterisk.ami.", "watcher.")
"""Key paths of secrets that each machine may have of its own: nothing of the pair fails where they differ."""

Hex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class SecretsQuestion(PeerAnswer):
    """The question."""

    key: Hex
    """Drawn for it; HMAC-SHA256 is keyed with it (RFC 2104)."""
    digests: dict[Text, Hex] = Field(default_factory=dict, max_length=20_000)
    """Key path in pair.toml -> digest of that path and the secret."""


@dataclass(frozen=True, slots=True)
class SecretsComparison:
    """How both machines' secrets compare.

    Attributes:
        same: key paths of those that are equal.
        differ: key paths of those that are not.
        unread: key paths of those that one of the machines cannot read.
        unknown: why nothing is known; empty where something is.
    """

    same: tuple[str, ...] = ()
    differ: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    unknown: str = ""

    @property
    def grave(self) -> tuple[str, ...]:
        """Those that differ, and that a promotion needs to be equal."""
        return tuple(path for path in self.differ if not path.startswith(OWN))


def question(context: Context) -> tuple[SecretsQuestion, tuple[str, ...]]:
    """The question, with this machine's secrets; and the key paths of those that cannot be read here."""
    key = secrets.token_bytes(32)
    digests, unread = _digests(context, key)
    return SecretsQuestion(key=key.hex(), digests=digests), unread


def answered(context: Context, asked: SecretsQuestion) -> SecretsReport:
    """What this machine says to the other's question."""
    ours, unread = _digests(context, bytes.fromhex(asked.key))
    differ = tuple(
        path for path, digest in asked.digests.items() if path in ours and not hmac.compare_digest(digest, ours[path])
    )
    missing = tuple(path for path in asked.digests if path not in ours)
    return SecretsReport(machine=context.machine, differ=differ, unread=(*unread, *missing))


def compare_secrets(asked: SecretsQuestion, unread: tuple[str, ...], answer: SecretsReport) -> SecretsComparison:
    """What the answer amounts to."""
    differ = tuple(path for path in answer.differ if path in asked.digests)
    away = tuple(dict.fromkeys((*unread, *answer.unread)))
    same = tuple(path for path in asked.digests if path not in differ and path not in away)
    return SecretsComparison(same, differ, away)


def _digests(context: Context, key: bytes) -> tuple[dict[str, str], tuple[str, ...]]:
    """Of every secret that both machines read under one name, but for those of accounts that each has of its own."""
    pair, found, unread = context.pair, {}, []
    others = secret_files(pair, context.peer)
    own_accounts = {
        f"trunks.{name}.secret_file" for name in pair.trunks if pair.trunk_on(name, context.machine).account != "shared"
    }
    for path, file in secret_files(pair, context.machine).items():
        if others.get(path) != file or path in own_accounts:
            continue
        try:
            secret = read_secret(context.places, file)
        except SecretUnusable:
            unread.append(path)
            continue
        found[path] = hmac.new(key, f"{path}\0{secret}".encode(), hashlib.sha256).hexdigest()
    return found, tuple(unread)
