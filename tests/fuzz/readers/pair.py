"""Readers of pair.toml, secrets, keys and numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import dns.exception
import dns.message

from host.errors import HotstandbyError, UsageError
from pair import (
    PairInvalid,
    SecretUnusable,
    parse,
    public_role,
    read_secret,
    readiness,
    secret,
    telephone,
    this_machine,
    tsig_key,
)
from pair import reading as pair_reading
from pair import right as pair_right
from tests.fuzz.readers.reader import PAIR, RIGHT, Reader, filed, places, shipped_preset, text
from tests.pair.example import EXAMPLE


def _key(data: bytes, _: Path) -> object:
    return tsig_key.parse_tsig_key(data.decode("utf-8", "replace"), "tsig.key").keyring


def _secret(data: bytes, directory: Path) -> object:
    path = directory / "secrets" / "acme"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o600)
    return read_secret(places(directory), "acme")


def _telephone(given: str) -> object:
    found: list[object] = []
    for region in (None, "US", "DE"):
        found.append(telephone.canonical(given, region))
        found.append(telephone.spellings(given, region, ("e164", "digits")))
    return found


def _name_server(data: bytes, _: Path) -> object:
    """What dnspython makes of a datagram, and we of its texts."""
    try:
        found = dns.message.from_wire(data)
    except dns.exception.DNSException:
        return None
    return [public_role.parse(str(one), ("boston", "dallas")) for answers in found.answer for one in answers]


KEY: Final = b'key "hotstandby" {\n\talgorithm hmac-sha256; /* new */\n\tsecret "c2VjcmV0c2VjcmV0"; // here\n};\n'


READERS: Final[tuple[Reader, ...]] = (
    Reader("pair.toml", pair_reading, lambda data, _: parse(data, Path("p")), (EXAMPLE.encode(),), (PairInvalid,)),
    Reader(
        "TOML", pair_reading, text(pair_reading.read_toml), (EXAMPLE.encode(), shipped_preset("telnyx")), (ValueError,)
    ),
    Reader(
        "the machine's name",
        pair_reading,
        filed("localized/machine", lambda at: this_machine(places(at), PAIR)),
        (b"dallas\n",),
        (UsageError,),
    ),
    Reader(
        "a secret",
        secret,
        _secret,
        (b"secret\n",),
        (SecretUnusable,),
    ),
    Reader(
        "the right",
        pair_right,
        filed("right.json", lambda at: pair_right.read_right(at / "right.json")),
        (RIGHT,),
        (ValueError,),
    ),
    Reader("a TSIG key", tsig_key, _key, (KEY,), (tsig_key.TsigKeyUnusable,)),
    Reader(
        "the _failover record",
        public_role,
        text(lambda given: public_role.parse(given, ("boston", "dallas"))),
        (b"hotstandby=1 machine=boston epoch=7",),
    ),
    Reader(
        "a name server's datagram",
        public_role,
        _name_server,
        (dns.message.make_response(dns.message.make_query("pbx.acme.example", "TXT")).to_wire(),),
    ),
    Reader(
        "a number, as a carrier spells it",
        telephone,
        text(lambda given: telephone.as_carrier_wants(given, "e164")),
        (b"+1 555 123 4567",),
        (HotstandbyError,),
    ),
    Reader("a caller's number", telephone, text(_telephone), (b"+44 20 7946 0000", b"5559000;npdi")),
    Reader(
        "what ready came to",
        readiness,
        filed("ready.json", lambda at: readiness.read_readiness(places(at))),
        (b'{"at": 1790000000.0, "exit": 0, "names": ["a"]}',),
    ),
)
