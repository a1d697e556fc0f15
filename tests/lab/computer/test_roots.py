"""Where roots come from, and why one cannot be had."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.computer import roots
from lab.errors import LabUnavailable

DEB822 = """\
# a comment
Types: deb
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
"""
CONTINUED = "Types: deb\nURIs:\n http://c.example/d\nSuites: sid\nComponents: main\n"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"sources.list.d/debian.sources": DEB822}, "http://mirror.example/debian"),
        ({"sources.list": "deb http://old.example/debian bullseye main\n"}, "http://old.example/debian"),
        ({"sources.list": "deb [arch=amd64 trusted=yes] http://o.example/d sid main non-free\n"}, "http://o.example/d"),
        (
            {"sources.list": "deb-src http://src.example/d sid main\ndeb http://b.example/d sid main\n"},
            "http://b.example/d",
        ),
        ({"sources.list": "# deb http://off.example/d sid main\n"}, None),
        ({"sources.list.d/x.list": "deb http://vendor.example/apt nodistro main\n"}, None),
        ({"sources.list.d/a.sources": "Enabled: no\n" + DEB822.partition("\n")[2]}, None),
        ({"sources.list.d/a.sources": DEB822.partition("\n\n")[2]}, None),  # security updates are no whole suite
        ({"sources.list.d/a.sources": CONTINUED}, "http://c.example/d"),
        ({}, None),
    ],
)
def test_the_archive_is_the_one_that_apt_uses(files: dict[str, str], expected: str | None, tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert roots.mirror(tmp_path) == expected


def test_a_missing_debootstrap_is_one_line_that_says_what_to_type(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOTSTANDBY_ROOTS", str(tmp_path / "roots"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(LabUnavailable, match="apt-get install debootstrap") as caught:
        roots.build("16", lambda _: None)
    assert "\n" not in str(caught.value)


def test_a_build_that_fails_leaves_no_root_and_quotes_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = tmp_path / "bin" / "debootstrap"
    fake.parent.mkdir()
    fake.write_text(
        "#!/bin/sh\necho 'I: Retrieving InRelease'\necho 'E: no such suite at http://mirror.example/debian'\nexit 1\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("HOTSTANDBY_ROOTS", str(tmp_path / "roots"))
    monkeypatch.setenv("PATH", f"{fake.parent}:/usr/bin:/bin")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(roots, "mirror", lambda: "http://mirror.example/debian")
    with pytest.raises(LabUnavailable, match="E: no such suite at the archive") as caught:
        roots.build("22", lambda _: None)
    assert "mirror.example" not in str(caught.value)
    assert not roots.root("22").complete
    assert [path.name for path in (tmp_path / "roots").iterdir() if path.is_dir()] == []


def test_roots_are_kept_outside_of_the_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HOTSTANDBY_ROOTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert roots.root("16").path == tmp_path / "hotstandby/roots/bullseye"


def test_two_builders_build_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "bin" / "debootstrap"
    fake.parent.mkdir()
    fake.write_text(
        "#!/bin/sh\n"
        f"echo built >>{tmp_path}/builds\n"
        'for last; do :; done\nshift $(($# - 2))\nmkdir -p "$1/usr/sbin"\nsleep 0.3\n: >"$1/usr/sbin/asterisk"\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("HOTSTANDBY_ROOTS", str(tmp_path / "roots"))
    monkeypatch.setenv("PATH", f"{fake.parent}:/usr/bin:/bin")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(roots, "mirror", lambda: "http://mirror.example/debian")
    said: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        built = list(pool.map(lambda _: roots.build("22", said.append), range(2)))
    assert all(root.complete for root in built)
    assert (tmp_path / "builds").read_text() == "built\n"
    assert any("another process builds it" in line for line in said)
