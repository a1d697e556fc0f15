"""A TSIG key as BIND writes it (tsig-keygen): name, algorithm, secret. What a key file must hold, for everybody."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from host.errors import UsageError
from host.places import Places
from host.printable import printable
from pair import named_grammar
from pair.named_grammar import NotNamedConf
from pair.secret import read_secret

if TYPE_CHECKING:
    import dns.name
    import dns.tsig

ALGORITHMS: Final = ("hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512")
"""RFC 8945 §6, without HMAC-MD5, which it allows to be left out."""
_NAME: Final = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")


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
        import dns.name  # whoever renders the key alone goes without dnspython, which takes 0.1 s
        import dns.tsig

        name = dns.name.from_text(self.name)
        return {name: dns.tsig.Key(name, self.secret, self.algorithm)}


def read_tsig_key(places: Places, name: str) -> TsigKey:
    """The key of a file under secrets/.

    Raises:
        TsigKeyUnusable, SecretUnusable
    """
    return parse_tsig_key(read_secret(places, name), str(places.secrets / name))


def parse_tsig_key(text: str, path: str) -> TsigKey:
    """The one key of a key file, to sign with.

    Args:
        text: of the file.
        path: for messages.

    Raises:
        TsigKeyUnusable
    """
    key = parse_key_statement(text, path)
    if key.algorithm.startswith("hmac-md5"):
        raise TsigKeyUnusable(
            f"The key '{key.name}' in {path} uses HMAC-MD5, which is broken and which name servers drop. Make a new "
            f"one with: tsig-keygen -a hmac-sha256 {key.name}; put it into named.conf of every server that knows it as "
            "well."
        )
    if key.algorithm not in ALGORITHMS:
        raise TsigKeyUnusable(
            f"The key '{key.name}' in {path} has algorithm '{key.algorithm}'. Use {', '.join(ALGORITHMS)}."
        )
    return key


def parse_key_statement(text: str, path: str) -> TsigKey:
    """The one key of a key file, whatever its algorithm, for who hands it to BIND.

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
    # Blanks in Base64 are none of it, for BIND as well.
    options = {one.name: "".join("".join(one.words[1:]).split()) for one in found[0].blocks[-1]}
    algorithm, secret = options.get("algorithm", "").lower().removesuffix("."), options.get("secret", "")
    if not _NAME.fullmatch(name):
        raise TsigKeyUnusable(f"'{printable(name, 80)}' in {path} cannot be the name of a key.")
    try:
        if not base64.b64decode(secret, validate=True):
            raise TsigKeyUnusable(f"The key '{name}' in {path} has no secret. Make a new one with: tsig-keygen {name}")
    except (binascii.Error, ValueError):
        raise TsigKeyUnusable(f"The secret of key '{name}' in {path} is not Base64. Was a part of it lost?") from None
    return TsigKey(name, algorithm, secret)
