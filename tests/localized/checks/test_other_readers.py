"""What others read of a generation, held against the real programs: BIND and Unison."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from localized.checks.read_back import named_problems
from localized.render.render import render
from localized.render.rendered import Rendered
from localized.role import Role
from pair import PairInvalid
from tests.localized.example import EXAMPLE, SECRETS, example

DNS = """
[dns]
zone = "acme.example"
key_file = "tsig.key"
zone_file = "{zone_file}"
servers = {{ boston = "192.0.2.11", dallas = "192.0.2.12", ns3 = "192.0.2.13" }}
[dns.follow]
pbx = {{ boston = "192.0.2.11", dallas = "192.0.2.12" }}
"""
KEY = 'key "hotstandby" {\n\talgorithm hmac-sha256;\n\tsecret "c2VjcmV0";\n};\n'
ZONE = (
    "$TTL 30\n@ IN SOA boston.acme.example. hostmaster.acme.example. 1 60 10 86400 30\n@ IN NS boston.acme.example.\n"
)
SYNC = """
[sync]
root = "/srv/shared"
paths = { html = { path = "domino/html", direction = "both" }, sounds = { path = "asterisk/sounds" } }
"""


def laid_out(directory: Path, role: Role, text: str) -> tuple[Rendered, ...]:
    made = render(example(text), "boston", role, {**SECRETS, "tsig.key": KEY})
    for file in made:
        target = directory / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.data)
    return made


needs_bind = pytest.mark.skipif(shutil.which("named-checkconf") is None, reason="needs BIND's named-checkconf")


@needs_bind
@pytest.mark.parametrize("role", [Role.DNS_PRIMARY, Role.DNS_SECONDARY])
def test_bind_takes_the_zone_of_either_role(tmp_path: Path, role: Role) -> None:
    zone = tmp_path / "acme.example.zone"
    zone.write_text(ZONE + "boston IN A 192.0.2.11\n")
    laid_out(tmp_path, role, EXAMPLE + DNS.format(zone_file=zone))
    assert list(named_problems(tmp_path)) == []


@needs_bind
def test_a_zone_that_is_signed_by_policy_is_so_as_primary_alone(tmp_path: Path) -> None:
    zone, keys = tmp_path / "acme.example.zone", tmp_path / "keys"
    zone.write_text(ZONE + "boston IN A 192.0.2.11\n")
    keys.mkdir()
    signed = f'dnssec_policy = "default"\nkey_directory = "{keys}"\n[dns.follow]'
    text = EXAMPLE + DNS.format(zone_file=zone).replace("[dns.follow]", signed)
    laid_out(tmp_path, Role.DNS_PRIMARY, text)
    assert list(named_problems(tmp_path)) == []
    said = (tmp_path / "named/zones.conf").read_text()
    assert 'dnssec-policy "default";' in said
    assert "inline-signing no;" in said
    assert f'key-directory "{keys}";' in said
    laid_out(tmp_path, Role.DNS_SECONDARY, text)
    assert "dnssec" not in (tmp_path / "named/zones.conf").read_text()
    with pytest.raises(PairInvalid, match="needs method 'update'"):
        example(text.replace("key_file", 'method = "zonefile"\nkey_file'))


@pytest.mark.parametrize(
    "text",
    [
        '// key "old" { secret "bm8="; };\nKEY hotstandby { Secret "c2Vj cmV0"; Algorithm HMAC-SHA256; };\n',
        'key "hotstandby" { /* { */ algorithm "hmac-sha256"; # }\n secret c2VjcmV0; };\n',
    ],
)
def test_a_key_is_rendered_however_its_file_is_written(tmp_path: Path, text: str) -> None:
    made = render(
        example(EXAMPLE + DNS.format(zone_file="/z")), "boston", Role.DNS_PRIMARY, {**SECRETS, "tsig.key": text}
    )
    shown = next(file.data.decode() for file in made if file.path == "named/key.conf")
    assert 'key "hotstandby" {' in shown
    assert 'secret "c2VjcmV0";' in shown


@needs_bind
def test_a_zone_that_bind_could_not_load_is_found_before_it_is_primary(tmp_path: Path) -> None:
    """A secondary's raw file passes named-checkconf without -z, and leaves the zone unloaded."""
    zone = tmp_path / "acme.example.zone"
    zone.write_bytes(b"\x00\x00\x00\x02raw")
    laid_out(tmp_path, Role.DNS_PRIMARY, EXAMPLE + DNS.format(zone_file=zone))
    problems = list(named_problems(tmp_path))
    assert len(problems) == 1
    assert "named-checkconf -z" in problems[0]
    assert "acme.example" in problems[0]


def test_the_key_is_in_a_file_that_bind_and_root_alone_may_read(tmp_path: Path) -> None:
    made = laid_out(tmp_path, Role.DNS_SECONDARY, EXAMPLE + DNS.format(zone_file="/var/lib/bind/z"))
    key = next(file for file in made if file.path == "named/key.conf")
    assert key.secret
    assert key.mode == 0o640
    assert not any(b"c2VjcmV0" in file.data for file in made if file is not key)


def test_files_of_bind_are_in_no_generation_of_the_pbx() -> None:
    made = render(example(), "boston", Role.PRIMARY, SECRETS)
    assert not [file.path for file in made if file.path.startswith("named/")]


@pytest.mark.skipif(shutil.which("unison") is None, reason="needs Unison")
@pytest.mark.parametrize(
    ("profile", "copied", "left"),
    [
        ("hotstandby-both", "domino/html", "asterisk/sounds"),
        ("hotstandby-from-primary", "asterisk/sounds", "domino/html"),
    ],
)
def test_unison_takes_the_profile_and_copies_its_paths_alone(
    tmp_path: Path, profile: str, copied: str, left: str
) -> None:
    here, there, home = tmp_path / "here", tmp_path / "there", tmp_path / "home"
    for path in (copied, left, "localized"):
        (here / path).mkdir(parents=True)
        (here / path / "file").write_text(path)
    for directory in (there, home / ".unison"):
        directory.mkdir(parents=True)
    made = {file.path: file.data.decode() for file in laid_out(tmp_path / "made", Role.PRIMARY, EXAMPLE + SYNC)}
    text = made[f"unison/{profile}.prf"]
    assert "root = ssh://root@192.0.2.12//srv/shared" in text
    text = text.replace("ssh://root@192.0.2.12//srv/shared", str(there)).replace("/srv/shared", str(here))
    text = text.replace("/var/log/hotstandby/unison.log", str(tmp_path / "log"))
    (home / ".unison" / f"{profile}.prf").write_text(text)
    done = subprocess.run(
        ["unison", profile, "-ui", "text"],
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(home), "UNISON": str(home / ".unison")},
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (there / copied / "file").read_text() == copied
    assert not (there / left).exists()
    assert not (there / "localized").exists()
