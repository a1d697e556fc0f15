"""Inputs made of genuine ones: altered, cut, repeated, and with what has hurt parsers before put into them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Final

WORDS: Final = (
    b"9" * 5_000,  # more digits than int() takes
    b"0" * 40,
    b"-1",
    b"1e999",
    b"NaN",
    b"Infinity",
    b"null",
    b"true",
    b"18446744073709551616",
    b"[" * 3_000,
    b'{"a":' * 1_500,
    b"(" * 300,
    b"[]",
    b"{}",
    b'""',
    b"\\",
    b"\\ud800",
    b"\\u0000",
    b"\0",
    b"\x1b[2J",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\xe2\x80\xae",
    b"\xc2\xb2",  # a digit to isdigit(), and none to int()
    b"\xd9\xa3",  # a decimal digit of another script
    b"\r\n",
    b"\n",
    b"\r",
    b"\x85",
    b"\xe2\x80\xa8",
    b" " * 200,
    b"\t",
    b"%s%n",
    b"${EVAL(x)}",
    b"../../../etc/passwd",
    b"&#x110000;",
    b"&#55296;",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
    b"]]>",
    b"a" * 70_000,
)

PARTS: Final = (
    b"(",
    b"[",
    b'{"a":',
    b"9",
    b"1h",
    b"\\",
    b'"',
    b"\n",
    b" ",
    b";",
    b"/*",
    b"a.",
    b"\r",
    b"@",
    b"{a,b}",
    b"**",
)


def altered(seeds: Sequence[bytes], chance: random.Random) -> bytes:
    """One input: a genuine one after a few changes, now and then bytes alone."""
    if chance.random() < 0.03:
        return chance.randbytes(chance.randrange(200))
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice((1, 1, 2, 8, 40)))
        kind = chance.randrange(8)
        if kind == 0 and data:
            data[at % len(data)] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del data[at:end]
        elif kind == 2:
            data[at:at] = chance.choice(WORDS)
        elif kind == 3:
            data[at:end] = chance.choice(WORDS)
        elif kind == 4:
            data[at:at] = bytes(data[at:end]) * chance.choice((1, 2, 50))
        elif kind == 5:
            other = chance.choice(seeds)
            data[at:] = other[chance.randrange(len(other) + 1) :]
        elif kind == 6:
            del data[at:]
        else:
            data[at:end] = chance.randbytes(end - at)
    return bytes(data)


def growing(seeds: Sequence[bytes], chance: random.Random) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Beginnings, parts that are repeated, and ends; without end. In what is repeated lies what grows too fast."""
    while True:
        seed = chance.choice(seeds)
        begin = chance.randrange(len(seed) + 1)
        end = min(len(seed), begin + chance.choice((1, 1, 2, 3, 5, 9, 30, 200)))
        part = seed[begin:end] or b"a"
        if chance.random() < 0.25:
            part = chance.choice(PARTS)
        first = chance.choice((b"", seed[:begin]))
        last = chance.choice((b"", seed[end:], b"!"))
        yield first, part, last
