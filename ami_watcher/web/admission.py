"""Who may ask, as pair.toml and its secrets say."""

from __future__ import annotations

from ami_watcher.web.guard import AccessTokens, is_loopback
from host.errors import UsageError
from host.places import Places
from pair import Pair, read_secret


def token_of(places: Places, pair: Pair, listening: str) -> AccessTokens | None:
    """What callers have to show.

    Args:
        places: of this machine.
        pair: pair.toml.
        listening: the address that others reach: at a reload the one that is open, whatever pair.toml says now.

    Raises:
        UsageError: none is set, and others than this machine could ask.
        SecretUnusable
    """
    if pair.watcher.token_file is not None:
        return AccessTokens(read_secret(places, pair.watcher.token_file))
    if not is_loopback(listening):
        raise UsageError(
            f'Without a token, listen = "{listening}" in [watcher] would show phones and trunks to everybody '
            "who reaches it. Set token_file in [watcher] of pair.toml, and make the token with: "
            f"(umask 077; openssl rand -hex 24 > {places.secrets}/watcher-token)"
        )
    return None


def hosts_of(pair: Pair, machine: str) -> set[str]:
    """Names and addresses by which the page of `machine` may be asked for."""
    own = pair.machines[machine]
    names = {"localhost", "127.0.0.1", "::1", pair.watcher.listen, machine, own.public_address, own.bind}
    return names | set(pair.watcher.hosts)
