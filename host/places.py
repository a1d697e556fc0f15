"""Where hotstandby keeps things on a machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Places:
    """The three directories of hotstandby and what lies at a fixed name in them.

    They are root's. Each daemon has a user and directories of its own inside, and writes nowhere else.

    Attributes:
        config: shared and localized configuration, /etc/hotstandby.
        state: what must survive a reboot, /var/lib/hotstandby.
        run: what must not survive a reboot, /run/hotstandby.
    """

    config: Path
    state: Path
    run: Path

    @classmethod
    def standard(cls, config: Path | None = None, environ: Mapping[str, str] | None = None) -> Places:
        """The usual places; `config` is what `--config DIR` said.

        HOTSTANDBY_CONFIG, HOTSTANDBY_STATE and HOTSTANDBY_RUN move them for tests and for several pairs on one host.
        """
        given = os.environ if environ is None else environ
        return cls(
            config=(config or Path(given.get("HOTSTANDBY_CONFIG", "/etc/hotstandby"))).absolute(),
            state=Path(given.get("HOTSTANDBY_STATE", "/var/lib/hotstandby")).absolute(),
            run=Path(given.get("HOTSTANDBY_RUN", "/run/hotstandby")).absolute(),
        )

    @property
    def pair_toml(self) -> Path:
        """The one file that describes the pair, byte for byte the same on both machines."""
        return self.config / "pair.toml"

    @property
    def secrets(self) -> Path:
        """Directory of the files that pair.toml names as `…_file`."""
        return self.config / "secrets"

    @property
    def localized(self) -> Path:
        """What differs between the machines; never synced."""
        return self.config / "localized"

    @property
    def machine_file(self) -> Path:
        """One line: the name of this machine in pair.toml."""
        return self.localized / "machine"

    @property
    def templates(self) -> Path:
        """The admin's own templates, before ours."""
        return self.config / "templates"

    @property
    def hooks(self) -> Path:
        """Directories of the admin's programs that run on events, one directory an event."""
        return self.config / "hooks"

    @property
    def agi_socket(self) -> Path:
        """Where launchers hand their calls over, in a directory of its own: systemd makes it, or agi-server."""
        return self.run / "agi" / "agi.sock"

    @property
    def agi_state(self) -> Path:
        """What agi-server keeps; its user's alone."""
        return self.state / "agi"

    @property
    def watcher_run(self) -> Path:
        """The socket and the lock of ami-watcher; its user's alone to write."""
        return self.run / "watcher"

    @property
    def watcher_socket(self) -> Path:
        """Where ami-watcher listens for our own commands."""
        return self.watcher_run / "ami-watcher.sock"

    @property
    def watcher_state(self) -> Path:
        """What ami-watcher remembers; its user's alone."""
        return self.state / "watcher"

    @property
    def contacts(self) -> Path:
        """Where the machines tell each other their phones, unless pair.toml says otherwise."""
        return self.state / "contacts"
