"""The two machines, and the Asterisk on each."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from pair.fields import AbsolutePath, Address, Host, Line, Name, Network, Port, SecretFile, Section


class Machine(Section):
    """One of the two machines of the pair."""

    public_address: Address
    """What carriers and phones reach."""
    bind: Address = ""
    """What its daemons bind to; public_address where it is left out."""
    localnets: tuple[Network, ...] = ()
    """Networks behind the same NAT: no external address is told to them."""
    preferred: bool = False
    """Primary when nothing else speaks against it; primary in DNS before the first promotion. Exactly one is."""
    ssh: Host | None = None
    """Name or address for ssh and Unison; public_address where it is left out."""
    asterisk: dict[str, Any] = Field(default_factory=dict)
    """Keys of [asterisk] that differ on this machine."""

    @model_validator(mode="before")
    @classmethod
    def _bind_is_the_public_address_unless_said(cls, given: Any) -> Any:
        if isinstance(given, dict) and "bind" not in given and "public_address" in given:
            return {**given, "bind": given["public_address"]}
        return given

    @property
    def ssh_host(self) -> str:
        """Where the peer reaches it by ssh."""
        return self.ssh or self.public_address


class Ami(Section):
    """How to reach the Asterisk Manager Interface of the machine one is on."""

    host: Host = "127.0.0.1"
    """Loopback, unless Asterisk runs elsewhere."""
    port: Port = 5038
    """5039 is usual with TLS."""
    username: Line = "hotstandby"
    """Section of manager.conf, with read = system and write = system,reporting."""
    secret_file: SecretFile = "ami"  # noqa: S105 - the name of a file
    """Its secret."""
    tls: bool = False
    """Encrypted, and the certificate verified."""
    tls_host_name: Host | None = None
    """Name that the certificate must carry; `host` where it is left out."""
    tls_ca_file: AbsolutePath | None = None
    """Certificates that are trusted; the system's where it is left out."""


class Asterisk(Section):
    """The Asterisk of one machine."""

    ami: Ami = Ami()
    """Its manager interface, on this machine."""
    config_dir: AbsolutePath = "/etc/asterisk"
    """astetcdir: relative includes start here (main/config.c)."""
    command: Line = "asterisk"
    """Program for `-rx`: a name on PATH or an absolute path."""
    user: Name = "asterisk"
    """Whom it runs as."""
    group: Name = "asterisk"
    """Rendered secrets are readable by root and by this group."""
    freepbx: bool = False
    """Write the includes under the names that FreePBX reads."""
    reload_deadline_s: float = Field(default=10.0, ge=1.0, le=120.0)
    """For one `asterisk -rx`; a frozen Asterisk never answers."""
    register_deadline_s: float = Field(default=30.0, ge=2.0, le=600.0)
    """How long `--activate` waits for the expected registrations."""
