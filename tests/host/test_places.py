"""Everything of ours lies below three directories, and the environment or --config moves them."""

from __future__ import annotations

from pathlib import Path

from host.places import Places


def below(places: Places) -> dict[str, Path]:
    """Every place that has a name."""
    return {name: getattr(places, name) for name, kind in vars(Places).items() if isinstance(kind, property)}


def test_the_usual_places() -> None:
    places = Places.standard(environ={})
    assert [str(one) for one in (places.config, places.state, places.run)] == [
        "/etc/hotstandby",
        "/var/lib/hotstandby",
        "/run/hotstandby",
    ]
    assert {name: str(path) for name, path in below(places).items()} == {
        "pair_toml": "/etc/hotstandby/pair.toml",
        "secrets": "/etc/hotstandby/secrets",
        "localized": "/etc/hotstandby/localized",
        "machine_file": "/etc/hotstandby/localized/machine",
        "templates": "/etc/hotstandby/templates",
        "hooks": "/etc/hotstandby/hooks",
        "agi_socket": "/run/hotstandby/agi/agi.sock",
        "agi_state": "/var/lib/hotstandby/agi",
        "watcher_run": "/run/hotstandby/watcher",
        "watcher_socket": "/run/hotstandby/watcher/ami-watcher.sock",
        "watcher_state": "/var/lib/hotstandby/watcher",
        "contacts": "/var/lib/hotstandby/contacts",
    }


def test_the_environment_moves_them_and_what_was_typed_goes_first(tmp_path: Path) -> None:
    environ = {"HOTSTANDBY_CONFIG": "etc", "HOTSTANDBY_STATE": str(tmp_path / "s"), "HOTSTANDBY_RUN": "/r"}
    places = Places.standard(environ=environ)
    assert (places.config, places.state, places.run) == (Path("etc").absolute(), tmp_path / "s", Path("/r"))
    assert Places.standard(tmp_path, environ).config == tmp_path
    for path in below(places).values():
        assert any(path.is_relative_to(one) for one in (places.config, places.state, places.run))
