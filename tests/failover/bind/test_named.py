"""What rndc and the checkers say of our own BIND, and what is made of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from failover.bind import named_conf
from failover.bind.named import LocalNamed, NamedRefuses, NamedSilent, ZoneInSeveralViews, rewrite
from failover.bind.proofread import read_proofread
from failover.bind.zone_status import RndcFailure, read_zone_status
from failover.bind.zone_text import ZoneFileUnclear
from host.command import Finished
from tests.fakes.bind import RAW, FakeBind, Programs, on_path
from tests.fakes.four_name_servers import NET, free_port

ADDRESS = f"{NET}.11"
ZONE = "$TTL 30\n@ SOA ns hostmaster 7 1d 2h 4w 1h\n  NS ns\nns A 192.0.2.53\npbx A 192.0.2.11\n"


@pytest.mark.parametrize(
    ("out", "err", "failure"),
    [
        ("", "rndc: connect failed: 127.0.0.1#953: connection refused", RndcFailure.UNREACHABLE),
        ("", "rndc: connection to remote host closed", RndcFailure.UNREACHABLE),
        ("", "rndc: no key definition for name rndc-key", RndcFailure.UNREACHABLE),
        ("rndc: 'zonestatus' failed: multiple", "", RndcFailure.SEVERAL_VIEWS),
        ("", "rndc: 'zonestatus' failed: not found\nno matching zone 'x' in any view", RndcFailure.NO_SUCH_ZONE),
        ("", "rndc: 'zonestatus' failed: zone not loaded", RndcFailure.NOT_LOADED),
        ("", "rndc: 'reload' failed: out of memory", RndcFailure.OTHER),
        ("", "", RndcFailure.OTHER),
    ],
)
def test_why_rndc_did_not_do_it_is_one_of_a_few_reasons(out: str, err: str, failure: RndcFailure) -> None:
    assert RndcFailure.of(Finished(("rndc",), 1, out, err, 0.0)) is failure


def test_the_status_of_a_zone_is_read_in_old_words_and_new_ones() -> None:
    found = read_zone_status(
        "name: acme.example\ntype: slave\nfiles: a.db, b.inc\nserial: 7\nsigned serial: 9\nsecure: yes\n"
    )
    assert found is not None
    assert (found.kind, found.files, found.serial, found.secure) == ("secondary", ("a.db", "b.inc"), 9, True)
    assert read_zone_status("server is up and running\n") is None


CONF = """\
a warning of named-checkconf that has another grammar
options {
\tdirectory "/var/cache/bind";
\tallow-update { none; };
};
primaries "both" { 192.0.2.11; "more"; };
primaries "more" { 192.0.2.12; };
zone "acme.example" { type slave; masters { "both"; "gone"; }; file "acme.db"; };
zone "text.example" { type secondary; primaries { 192.0.2.11; }; file "text.db"; masterfile-format text; };
view "inside" {
\tallow-update { key "failover"; };
\tzone "Acme.Example." { type master; file "inside.db"; dnssec-policy none; inline-signing yes; };
\tzone "shared.example" { in-view "outside"; };
};
view "outside" { zone "other.example" { type primary; update-policy local; file "o.db"; key-directory "keys"; }; };
zone "." { type hint; file "root"; };
"""


def test_a_zone_is_read_with_what_it_inherits_and_with_lists_by_name() -> None:
    read = named_conf.read(CONF, Path("/etc/bind"))
    first, inside = read.of("acme.example.")
    assert (first.kind, first.raw, first.file) == ("secondary", True, Path("/var/cache/bind/acme.db"))
    assert (first.primaries, first.unresolved) == (("192.0.2.11", "192.0.2.12"), ("gone",))
    assert (inside.view, inside.kind, inside.dynamic, inside.inline_signing) == ("inside", "primary", True, True)
    assert (inside.dnssec_policy, inside.raw) == ("", False)
    assert not read.of("text.example")[0].raw
    (other,) = read.of("other.example")
    assert (other.update_policy, other.dynamic) == (True, True)
    assert other.key_directory == Path("/var/cache/bind/keys")
    assert read.of("shared.example") == ()


def test_a_list_that_names_itself_ends() -> None:
    conf = 'primaries "a" { "a"; };\nzone "x" { type secondary; primaries { "a"; }; };\n'
    assert set(named_conf.read(conf, Path("/")).of("x")[0].unresolved) == {"a"}


@pytest.fixture
def bind(tmp_path: Path) -> Iterator[FakeBind]:
    """A BIND with one zone, running."""
    (tmp_path / "acme.db").write_text(ZONE)
    (tmp_path / "named.conf").write_text(
        f'options {{ directory "{tmp_path}"; }};\nzone "acme.example" {{ type primary; file "acme.db"; }};\n'
    )
    with Programs(tmp_path / "bin") as programs, on_path(programs.directory):
        made = FakeBind(ADDRESS, free_port(), conf=tmp_path / "named.conf", programs=programs)
        made.start()
        try:
            yield made
        finally:
            made.stop()


def local(bind: FakeBind, **more: str) -> LocalNamed:
    return LocalNamed(bind.conf, ("rndc", "-s", ADDRESS), **more)


def test_a_zone_that_named_does_not_know_has_no_role_and_no_copy(bind: FakeBind) -> None:
    named = local(bind)
    assert named.role("acme.example") == "primary"
    assert named.role("other.example") == ""
    assert "no matching zone" in named.status("other.example").reason
    assert named.block("other.example") is None
    assert named.copy("acme.example") is None
    named.expire_copy("acme.example")  # it is no secondary: nothing to expire
    assert named.directory() == bind.conf.parent


def test_a_named_that_is_down_or_missing_is_said_to_be_that(bind: FakeBind) -> None:
    bind.stop()
    with pytest.raises(NamedSilent, match="systemctl start named"):
        local(bind).status("acme.example")
    with pytest.raises(NamedSilent, match="was not reached"):
        LocalNamed(bind.conf, ("no-such-program",)).status("acme.example")


def test_a_configuration_that_does_not_load_is_refused_with_what_is_wrong(bind: FakeBind, tmp_path: Path) -> None:
    named = local(bind)
    named.check()
    (tmp_path / "acme.db").write_text(ZONE + "bad A 192.0.2.300\n")
    with pytest.raises(NamedRefuses, match=r"named would not load .*bad dotted quad"):
        named.check()
    with pytest.raises(NamedRefuses, match=r"rndc reload acme\.example failed"):
        named.reload("acme.example")
    bind.conf.write_text("zone {")
    with pytest.raises(NamedRefuses, match="cannot be read by named-checkconf"):
        named.configuration()
    with pytest.raises(NamedRefuses, match="rndc reconfig failed"):
        named.reconfig()


def test_a_file_of_the_wrong_format_is_converted_and_one_that_is_broken_is_left(bind: FakeBind, tmp_path: Path) -> None:
    named, file = local(bind), tmp_path / "acme.db"
    (block,) = named.configuration().of("acme.example")
    assert not named.fit_format("acme.example", block)
    file.write_bytes(RAW + ZONE.encode())
    file.chmod(0o640)
    assert named.fit_format("acme.example", block)
    assert file.read_bytes().startswith(b"acme.example. 30 IN SOA ")
    assert file.stat().st_mode & 0o777 == 0o640
    file.write_bytes(RAW + b"not a zone")
    with pytest.raises(NamedRefuses, match="cannot be converted from raw to text"):
        named.fit_format("acme.example", block)
    assert file.read_bytes() == RAW + b"not a zone"
    file.unlink()
    assert not named.fit_format("acme.example", block)


def test_a_zone_in_several_views_is_told_apart_by_its_name_or_its_file(bind: FakeBind) -> None:
    zone = 'zone "acme.example" {{ type primary; file "{0}.db"; }};'
    bind.conf.write_text("".join(f'view "{view}" {{ {zone.format(view)} }};\n' for view in ("in", "out")))
    with pytest.raises(ZoneInSeveralViews, match=r'several views of named\.conf \(in, out\).*view = "out"'):
        local(bind).block("acme.example")
    with pytest.raises(ZoneInSeveralViews, match=r"does not stand in the view 'lobby'.*in, out"):
        local(bind, view="lobby").block("acme.example")
    by_view = local(bind, view="in").block("acme.example")
    by_file = local(bind, zone_file=str(bind.conf.parent / "out.db")).block("acme.example")
    assert by_view is not None
    assert by_file is not None
    assert (by_view.view, by_file.view) == ("in", "out")


def test_a_link_is_followed_and_stays_when_its_file_is_rewritten(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    rewrite(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ("pbx RRSIG A 13 3 30 20360101000000 20260101000000 1 acme.example. AAAA\n", "is signed"),
        ("$GENERATE 1-2 pbx A 192.0.2.10$\n", r"at pbx A BIND reads 192\.0\.2\.101 192\.0\.2\.102|may come from this"),
    ],
)
def test_a_file_that_we_and_bind_read_differently_is_not_edited(
    bind: FakeBind, tmp_path: Path, records: str, words: str
) -> None:
    (tmp_path / "acme.db").write_text(ZONE + records)
    with pytest.raises(ZoneFileUnclear, match=words):
        read_proofread("acme.example", tmp_path / "acme.db", local(bind), [("pbx", "A")])
