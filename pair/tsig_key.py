"""A TSIG key as BIND writes it (tsig-keygen): name, algorithm, secret."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Final

import dns.exception
import dns.name
import dns.tsig

from host.errors import UsageError
from pair import named_grammar
from pair.named_grammar import NotNamedConf

_ALGORITHMS: Final = {
    name: dns.name.from_text(name) for name in ("hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512")
}
"""RFC 8945 §6, without HMAC-MD5, which it allows to be left out."""


class TsigKeyUnusable(UsageError):
    """The key file holds no key that can be used; the message never holds any of the secret."""


@dataclass(frozen=True, slots=True)
class TsigKey:
    """A key that signs UPDATE and NOTIFY (RFC 8945).

    Attributes:
        name: as both sides call it.
        algorithm: such as hmac-sha256.
        secret: Base64, as in the file; the mask is told of it.
    """

    name: str
    algorithm: str
    secret: str = field(repr=False)

    @property
    def keyring(self) -> dict[dns.name.Name, dns.tsig.Key]:
        """What dnspython signs with."""
        name = dns.name.from_text(self.name)
        return {name: dns.tsig.Key(name, self.secret, _ALGORITHMS[self.algorithm])}


def parse_tsig_key(text: str, path: str) -> TsigKey:
    """The one key of a key file.

    Args:
        text: of the file.
        path: for messages.

    Raises:
        TsigKeyUnusable
    """
    try:
        found = [one for one in named_grammar.parse(text) if one.name == "key" and one.blocks and len(one.words) == 2]
    except NotNamedConf:
        found = []
    if len(found) != 1:
        raise TsigKeyUnusable(
            f"The key file {path} holds {len(found)} keys, and must hold one, written: "
            'key "name" { algorithm hmac-sha256; secret "…"; }; Make one with: tsig-keygen name'
        )
    name = found[0].words[1]
    options = {one.name: "".join(one.words[1:]) for one in found[0].blocks[-1]}
    algorithm = options.get("algorithm", "").lower().removesuffix(".")
    if algorithm.startswith("hmac-md5"):
        raise TsigKeyUnusable(
            f"The key '{name}' in {path} uses HMAC-MD5, which is broken and which name servers drop. Make a new one "
            f"with: tsig-keygen -a hmac-sha256 {name}; put it into named.conf of every server that knows it as well."
        )
    if algorithm not in _ALGORITHMS:
        raise TsigKeyUnusable(f"The key '{name}' in {path} has algorithm '{algorithm}'. Use {', '.join(_ALGORITHMS)}.")
    # Blanks in Base64 are none of it, for BIND as well.
    secret = "".join(options.get("secret", "").split())
    try:
        if not base64.b64decode(secret, validate=True):
            raise TsigKeyUnusable(f"The key '{name}' in {path} has no secret. Make a new one with: tsig-keygen {name}")
        dns.name.from_text(name)
    except (binascii.Error, ValueError):
        raise TsigKeyUnusable(f"The secret of key '{name}' in {path} is not Base64. Was a part of it lost?") from None
    except dns.exception.DNSException:
        raise TsigKeyUnusable(f"'{name}' in {path} cannot be the name of a key.") from None
    return TsigKey(name, algorithm, secret)
