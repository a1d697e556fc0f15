"""[lookup.X]: what is wrong is refused when it is read, by the name of its key."""

from __future__ import annotations

import pytest

from pair import PairInvalid
from tests.agi import phones

GOOD = {
    "site": '"domino-local"',
    "request": '"view"',
    "database": '"crm/phones.nsf"',
    "view": '"(ByNumber)"',
    "variables": '{ COMPANY = "Company" }',
}
AGENT = {**GOOD, "request": '"agent"', "view": None, "agent": '"find"'}
SERVICE = {
    **AGENT,
    "request": '"web-service"',
    "agent": None,
    "service": '"S"',
    "namespace": '"urn:x"',
    "operation": '"F"',
}


def lookup(keys: dict[str, str | None], name: str = "caller") -> str:
    lines = "\n".join(f"{key} = {value}" for key, value in keys.items() if value is not None)
    return f"\n[lookup.{name}]\n{lines}\n"


@pytest.mark.parametrize("keys", [GOOD, AGENT, SERVICE, {**GOOD, "number": '{ region = "DE", spellings = ["local"] }'}])
def test_a_lookup_needs_few_keys(keys: dict[str, str | None]) -> None:
    read = phones.pair_with(lookup(keys)).lookup["caller"]
    assert read.key == ("arg1", "callerid")
    assert read.base_url == "http://domino-local:80"
    assert read.fresh_s <= read.renewed_until_s <= read.stale_until_s


@pytest.mark.parametrize(
    ("keys", "key", "says"),
    [
        ({**GOOD, "request": '"odbc"'}, "request", "view"),
        ({**GOOD, "site": '"http://x"'}, "site", "without port or scheme"),
        ({**GOOD, "site": None}, "site", "missing"),
        ({**GOOD, "site": '"domino-locale"'}, "site", "Did you mean 'domino-local'?"),
        ({**GOOD, "deadline_ms": "5000"}, "deadline_ms", "agi.deadline_s"),
        ({**GOOD, "view": None}, "view", "needed for request = 'view'"),
        ({**GOOD, "agent": '"x"'}, "agent", "means nothing"),
        ({**AGENT, "agent": None}, "agent", "needed"),
        ({**AGENT, "key_column": '"x"'}, "key_column", "means nothing"),
        ({**SERVICE, "operation": None}, "operation", "needed"),
        ({**SERVICE, "operation": '"a b"'}, "operation", "WSDL"),
        ({**GOOD, "output": '"json"'}, "output", "means nothing"),
        ({**GOOD, "number": '{ spellings = ["e164", "local"] }'}, "number.spellings", "set region"),
        ({**GOOD, "database": '"x?OpenServer"'}, "database", "path of a database"),
        ({**GOOD, "database": '"../x.nsf"'}, "database", "path of a database"),
        ({**GOOD, "variables": "{}"}, "variables", "at least 1"),
        ({**GOOD, "variables": '{ "A B" = "x" }'}, "variables", "channel variable"),
        ({**GOOD, "variables": '{ "${X}" = "x" }'}, "variables", "channel variable"),
        ({**GOOD, "variables": '{ LOOKUP_STATUS = "x" }'}, "variables", "set by the lookup itself"),
        ({**GOOD, "variables": '{ "FILE(/etc/x)" = "x" }'}, "variables", "reaches beyond"),
        ({**GOOD, "variables": '{ "SHELL(x)" = "x" }'}, "variables", "reaches beyond"),
        ({**GOOD, "defaults": '{ OTHER = "x" }'}, "defaults", "'OTHER' does not stand in variables"),
        ({**GOOD, "defaults": '{ COMPANY = "a\\nb" }'}, "defaults", "one line"),
        ({**GOOD, "key": '["argument"]'}, "key", "arg1 to arg99"),
        ({**GOOD, "key": "[]"}, "key", "at least 1"),
        ({**GOOD, "number": '{ region = "USA" }'}, "number.region", "two capital letters"),
        ({**GOOD, "number": '{ spellings = ["dotted"] }'}, "number.spellings", "e164"),
        ({**GOOD, "deadline_ms": "0"}, "deadline_ms", "20"),
        ({**GOOD, "deadline_ms": '"soon"'}, "deadline_ms", "integer"),
        ({**GOOD, "fresh_s": "-1"}, "fresh_s", "0"),
        ({**GOOD, "fresh_s": "60", "renew_s": "30"}, "renew_s", "at least fresh_s"),
        ({**GOOD, "renew_s": "600", "stale_s": "500"}, "stale_s", "at least renew_s"),
        ({**GOOD, "stale_s": "5"}, "stale_s", "at least fresh_s"),
        ({**GOOD, "login": '"basic"'}, "user", "needed for login = 'basic'"),
        ({**GOOD, "login": '"basic"', "user": '"pbx"'}, "secret_file", "needed"),
        ({**GOOD, "user": '"pbx"'}, "user", "means nothing without a login"),
        ({**GOOD, "password": '"geheim"'}, "password", "Secrets never stand here"),
        ({**GOOD, "fresh": "60"}, "fresh", "fresh_s"),
        ({**GOOD, "port": "0"}, "port", "1"),
    ],
)
def test_a_wrong_lookup_is_refused_by_the_name_of_its_key(keys: dict[str, str | None], key: str, says: str) -> None:
    with pytest.raises(PairInvalid) as caught:
        phones.pair_with(lookup(keys))
    said = [str(problem) for problem in caught.value.problems]
    assert any(line.startswith(f"lookup.caller.{key}") and says in line for line in said), said
    assert "geheim" not in str(caught.value)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(PairInvalid) as caught:
        phones.pair_with(lookup({**GOOD, "port": "0", "fresh": "1", "key": "[]"}))
    assert len(caught.value.problems) == 3
