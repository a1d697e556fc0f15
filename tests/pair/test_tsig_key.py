"""A TSIG key is read as BIND writes it, and refused without showing any of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.places import Places
from pair.tsig_key import TsigKeyUnusable, parse_key_statement, parse_tsig_key, read_tsig_key

KEY = 'key "failover" {\n\talgorithm hmac-sha256;\n\tsecret "c2VjcmV0";\n};\n'


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        "key failover { secret c2VjcmV0; algorithm HMAC-SHA256; };",
        '// old: key "x" { };\n# a comment\n/* key "y" {\n}; */' + KEY,
        KEY.replace("hmac-sha256;", "hmac-sha256; // strong"),
        KEY.replace("c2VjcmV0", "c2Vj cmV0"),  # Base64 may have blanks, for BIND as well
        KEY.replace("key", "KEY").replace("secret", "Secret").replace("algorithm", "ALGORITHM"),
    ],
)
def test_a_key_is_read_as_bind_writes_it(text: str) -> None:
    key = parse_tsig_key(text, "tsig.key")
    assert (key.name, key.algorithm, key.secret) == ("failover", "hmac-sha256", "c2VjcmV0")
    assert len(key.keyring) == 1
    assert "c2VjcmV0" not in repr(key)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (KEY.replace("hmac-sha256", "hmac-md5"), "tsig-keygen -a hmac-sha256 failover"),
        (KEY.replace("hmac-sha256", "hmac-md5.sig-alg.reg.int"), "HMAC-MD5"),
        (KEY.replace("hmac-sha256", "rot13"), "Use hmac-sha1"),
        (KEY.replace("c2VjcmV0", "c2VjcmV"), "not Base64"),
        (KEY.replace("c2VjcmV0", ""), "no secret"),
        (KEY + KEY.replace("failover", "two"), "2 keys"),
        ("", "0 keys"),
        ("/* " * 20_000 + KEY, "0 keys"),  # a comment that never ends
        (KEY.replace("failover", "a..b"), "name of a key"),
    ],
)
def test_a_key_that_cannot_be_used_says_why_and_not_its_secret(text: str, words: str) -> None:
    with pytest.raises(TsigKeyUnusable, match=words) as refused:
        parse_tsig_key(text, "tsig.key")
    assert "c2Vj" not in str(refused.value)


def test_a_key_of_any_algorithm_can_be_handed_to_bind() -> None:
    assert parse_key_statement(KEY.replace("hmac-sha256", "hmac-md5"), "tsig.key").algorithm == "hmac-md5"


def test_a_key_is_read_from_its_file_in_secrets(tmp_path: Path) -> None:
    places = Places(tmp_path, tmp_path, tmp_path)
    places.secrets.mkdir()
    (places.secrets / "tsig.key").write_text(KEY)
    (places.secrets / "tsig.key").chmod(0o640)
    assert read_tsig_key(places, "tsig.key").name == "failover"
