"""The model: pair.toml read once into typed, frozen values, and what every room must read alike.

One file describes the pair and is the same, byte for byte, on both machines. `read` validates it and reports
everything that is wrong at once; `active` falls back to the last valid one, with a warning; `this_machine` says
which of the two we are on; `read_secret` reads what pair.toml only names.

    sections, model, cross_checks   what may stand in each table, in the file, and across its tables
    right, public_role              who may register, and who is primary for the world
    tsig_key, telephone             a key as BIND writes it; a number as callers, Domino and carriers write it

The names below are loaded when they are first used: who reads the right alone, many times a minute, needs no pydantic.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pair.model import Pair as Pair
    from pair.problem import Problem as Problem
    from pair.reading import Active as Active
    from pair.reading import PairInvalid as PairInvalid
    from pair.reading import active as active
    from pair.reading import parse as parse
    from pair.reading import read as read
    from pair.reading import this_machine as this_machine
    from pair.secret import SecretUnusable as SecretUnusable
    from pair.secret import read_secret as read_secret
    from pair.secret import secret_problems as secret_problems
    from pair.sections.dns import Dns as Dns
    from pair.sections.machine import Ami as Ami
    from pair.sections.machine import Asterisk as Asterisk
    from pair.sections.machine import Machine as Machine
    from pair.sections.trunk import Trunk as Trunk

_HOMES: Final = {
    "Active": "pair.reading",
    "Ami": "pair.sections.machine",
    "Asterisk": "pair.sections.machine",
    "Dns": "pair.sections.dns",
    "Machine": "pair.sections.machine",
    "Pair": "pair.model",
    "PairInvalid": "pair.reading",
    "Problem": "pair.problem",
    "SecretUnusable": "pair.secret",
    "Trunk": "pair.sections.trunk",
    "active": "pair.reading",
    "parse": "pair.reading",
    "read": "pair.reading",
    "read_secret": "pair.secret",
    "secret_problems": "pair.secret",
    "this_machine": "pair.reading",
}


def __getattr__(name: str) -> Any:  # PEP 562
    if name not in _HOMES:
        raise AttributeError(f"module 'pair' has no attribute '{name}'")
    found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found
