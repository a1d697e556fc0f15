"""[dns]: the zone whose names follow the primary."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from pair.fields import AbsolutePath, Address, Domain, Line, Port, SecretFile, Section


class Dns(Section):
    """The zone, its name servers, and the names that point at the primary."""

    zone: Domain
    """The zone that holds the followed names."""
    ttl_s: int = Field(default=30, ge=1, le=86400)
    """Seconds that resolvers may keep the followed names."""
    method: Literal["update", "zonefile"] = "update"
    """update: RFC 2136, signed with TSIG; zonefile: the file of a zone that is not dynamic is edited."""
    key_file: SecretFile | None = None
    """TSIG key, as BIND writes it."""
    servers: dict[str, Address] = Field(default_factory=dict)
    """Name servers by name; a machine's own under its name."""
    more_addresses: dict[str, tuple[Address, ...]] = Field(default_factory=dict)
    """Further addresses of a server, such as its IPv6 one: each of them is asked."""
    own: dict[str, Address] = Field(default_factory=dict)
    """Machine -> address at which it reaches its own named, where NAT keeps it from its public one."""
    port: Port = 53
    """Where all of these servers listen."""
    primary: Line | None = None
    """Name of the server that takes updates, when it is neither machine; left out, the primary machine's own."""
    follow: dict[str, dict[str, Address]] = Field(default_factory=dict)
    """Name in the zone ("@" for the zone itself) -> machine -> address."""
    zone_file: AbsolutePath | None = None
    """Master file of the zone, for method zonefile."""
    also_notify: tuple[Address, ...] = ()
    """Secondaries that are in no NS record."""
    notify_key_file: SecretFile | None = None
    """TSIG key that secondaries want on a NOTIFY; left out, they go by our address."""
    delegation: dict[Line, tuple[Address, ...]] = Field(default_factory=dict)
    """Name server -> addresses that the parent delegates to; left out, the parent is asked."""
    parent: tuple[Address, ...] = ()
    """Name servers of the parent zone; left out, they are looked up."""
    resolvers: tuple[Address, ...] = ()
    """Public resolvers whose remaining TTL is shown after a promotion."""
    agree_within_s: float = Field(default=20.0, gt=0, le=600)
    """Seconds until every server must agree; who does not is named."""
    named_conf: AbsolutePath = "/etc/bind/named.conf"
    """What our named runs on."""
    rndc: tuple[Line, ...] = ("rndc",)
    """The command that talks to our named, with its options."""
    view: Line | None = None
    """View of named.conf whose zone follows the primary, where the zone stands in several."""
    dnssec_policy: Line | None = None
    """dnssec-policy that our primary signs the zone by; needs method update, and the zone's keys on both machines."""
    key_directory: AbsolutePath | None = None
    """Where named finds the zone's DNSSEC keys; left out, as named.conf says."""

    @model_validator(mode="after")
    def _complete(self) -> Dns:
        if self.method == "zonefile" and self.zone_file is None:
            raise ValueError("method 'zonefile' needs zone_file, the zone's master file")
        if self.dnssec_policy is not None and self.method != "update":
            raise ValueError(
                "dnssec_policy needs method 'update': the copy that a secondary has of a signed zone cannot be edited"
            )
        if self.primary is not None and self.primary not in self.servers:
            raise ValueError(f"primary is '{self.primary}', which is not under servers: {', '.join(self.servers)}")
        for key, names in (("more_addresses", self.more_addresses), ("own", self.own)):
            for name in names:
                if name not in self.servers:
                    raise ValueError(f"{key}.{name} is not under servers: {', '.join(self.servers)}")
        return self

    def own_address(self, machine: str) -> str:
        """Where `machine` reaches its own named; the loopback address when nothing is said."""
        return self.own.get(machine) or self.servers.get(machine) or "127.0.0.1"

    def servers_seen_from(self, machine: str) -> dict[str, str]:
        """Where `machine` reaches each server: its own named by `own_address`."""
        return {name: self.own_address(name) if name == machine else address for name, address in self.servers.items()}

    def source_address(self, machine: str) -> str:
        """The address that other servers know `machine` by; empty for the kernel's choice."""
        return self.own.get(machine) or self.servers.get(machine, "")
