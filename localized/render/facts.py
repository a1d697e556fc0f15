"""What templates may say about the pair, a machine and its role: names of their own, text from outside untrusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from localized.errors import NotRenderable
from localized.render import syntax
from localized.render.register_line import IaxAccount, SipAccount
from localized.render.untrusted import Untrusted, untrusted
from localized.role import Role
from pair import Asterisk, Pair, Trunk
from pair.tsig_key import TsigKeyUnusable, parse_key_statement

MASK: Final = "********"
"""What stands for a secret wherever a person looks."""


@dataclass(frozen=True)
class DnsKey:
    """A TSIG key."""

    name: Untrusted
    algorithm: Untrusted
    secret: Untrusted


@dataclass(frozen=True)
class TrunkFacts:
    """One trunk as it holds on the machine that is rendered for.

    Attributes:
        name: in pair.toml.
        values: the trunk's.
        registers: whether this machine registers it in this role.
    """

    name: str
    values: Trunk
    registers: bool
    _secrets: Mapping[str, str]

    @property
    def key(self) -> Any:
        """Its keys in pair.toml, free text untrusted."""
        return untrusted(self.values, f"[trunks.{self.name}]")

    @property
    def label(self) -> str:
        """As errors name it."""
        return f"trunk {self.name}"

    @property
    def channel(self) -> str:
        """sip, iax2 or pjsip."""
        return self.values.channel

    @property
    def by_address(self) -> bool:
        """It reaches us by address and registers nowhere."""
        return not self.values.register_

    @property
    def host(self) -> str:
        """The carrier's host; validated, so it needs no filter."""
        return self.values.host

    @property
    def domain(self) -> str:
        """The account's domain: that of its address; validated, so it needs no filter."""
        return self.values.domain or self.values.host

    @property
    def server_uri(self) -> str:
        """The registrar as a SIP URI, written for the right side of `=`; it needs no filter."""
        port = f":{self.values.port}" if self.values.port is not None else ""
        parameters = [f"transport={self.values.protocol}"] if self.values.protocol != "udp" else []
        parameters += [self.values.server_uri_parameters] if self.values.server_uri_parameters else []
        return syntax.asterisk_value(";".join([f"sip:{syntax.sip_host(self.host)}{port}", *parameters]))

    @property
    def username(self) -> Untrusted:
        """The account at the carrier."""
        return Untrusted(self.values.username or "", f"the username of {self.label}")

    @property
    def auth_username(self) -> Untrusted:
        """What it authenticates as."""
        return Untrusted(self.values.auth_username or self.values.username or "", f"the auth_username of {self.label}")

    @property
    def contact(self) -> Untrusted:
        """The extension that its calls arrive at."""
        return Untrusted(self.values.contact or self.values.username or "s", f"the contact of {self.label}")

    @property
    def secret(self) -> Untrusted:
        """Its secret."""
        name = self.values.secret_file
        if name is None or name not in self._secrets:
            raise NotRenderable(f"The secret of {self.label} is not known. Name its file with secret_file.")
        return Untrusted(self._secrets[name], f"the secret of {self.label}", hidden=True)

    def written(self) -> None:
        """Tries every value of it that the files of either role hold.

        Raises:
            Unwritable
        """
        if self.by_address:
            return
        if self.channel == "pjsip":
            for value in (self.auth_username, self.secret):
                syntax.asterisk_value(value)
            for value in (self.username, self.contact):
                syntax.sip_user(value)
        elif self.register_line:
            return

    @cached_property
    def register_line(self) -> str:
        """The value of its `register =>` line, for chan_sip or chan_iax2."""
        if self.channel == "iax2":
            iax = IaxAccount(self.username, self.secret, self.host, self.values.port)
            return syntax.iax_register(iax, self.label)
        sip = SipAccount(
            username=str(self.username),
            secret=str(self.secret),
            auth_username=self.values.auth_username or "",
            host=syntax.sip_host(self.host),
            port=self.values.port,
            contact=str(self.contact),
            expiry_s=self.values.expiry_s,
            domain=syntax.sip_host(self.values.domain or ""),
            transport=self.values.protocol,
        )
        return syntax.sip_register(sip, self.label)


@dataclass(frozen=True)
class TemplateFacts:
    """Everything that is rendered from."""

    pair: Pair
    machine: str
    role: Role
    secrets: Mapping[str, str]

    @cached_property
    def asterisk(self) -> Asterisk:
        """[asterisk] on this machine."""
        return self.pair.asterisk_on(self.machine)

    @cached_property
    def trunks(self) -> tuple[TrunkFacts, ...]:
        """Every trunk, in the order of pair.toml."""
        return tuple(self._trunks())

    def _trunks(self) -> Iterator[TrunkFacts]:
        for name in self.pair.trunks:
            key = self.pair.trunk_on(name, self.machine)
            registers = key.register_ and (self.role is Role.PRIMARY or key.account == "per-machine")
            yield TrunkFacts(name, key, registers, self.secrets)

    @staticmethod
    def secret_names(pair: Pair, machine: str, role: Role) -> tuple[str, ...]:
        """The secrets that are rendered into files of this machine in a role."""
        named: set[str | None]
        if role.is_dns:
            named = {pair.dns.key_file} if pair.dns is not None else set()
        else:
            named = {trunk.secret_file for name in pair.trunks if (trunk := pair.trunk_on(name, machine)).register_}
        return tuple(sorted(name for name in named if name is not None))

    def context(self) -> dict[str, Any]:
        """The names that templates see; docs/reference/localized.md lists them."""
        here, peer = self.pair.machines[self.machine], self.pair.peer_of(self.machine)
        return {
            "pair": untrusted(self.pair, "pair.toml"),
            "machine": self.machine,
            "peer": peer,
            "role": self.role.value,
            "here": untrusted(here, f"[machines.{self.machine}]"),
            "there": untrusted(self.pair.machines[peer], f"[machines.{peer}]"),
            "behind_nat": here.bind != here.public_address,
            "asterisk": untrusted(self.asterisk, "[asterisk]"),
            "trunks": self.trunks,
            "registering": {
                channel: [trunk for trunk in self.trunks if trunk.registers and trunk.channel == channel]
                for channel in ("sip", "iax2", "pjsip")
            },
            "by_address": [trunk for trunk in self.trunks if trunk.by_address],
            "pjsip_accounts": [trunk for trunk in self.trunks if trunk.channel == "pjsip" and trunk.values.register_],
            "carriers": untrusted(self.pair.carriers, "[carriers]"),
            "dns": untrusted(self.pair.dns, "[dns]"),
            "dns_key": self.dns_key,
            "dns_from": [address for name, address in self._servers() if name == self._dns_source(peer)],
            "dns_others": [address for name, address in self._servers() if name != self.machine],
            "dns_primary": self.role is Role.DNS_PRIMARY and self._dns_source(peer) == peer,
            "sites": {
                Untrusted(alias, f"the alias {alias!r} of [domino.sites]"): site.addresses[self.machine]
                for alias, site in self.pair.domino.sites.items()
            },
            "sync": untrusted(self.pair.sync, "[sync]"),
            "sync_peer": Untrusted(
                f"ssh://{self.pair.sync.ssh_user}@{_in_url(self.pair.machines[peer].ssh_host)}/{self.pair.sync.root}",
                "the root of [sync]",
            ),
            "people": untrusted(self.pair.people, "[people]"),
        }

    def _dns_source(self, peer: str) -> str:
        """Where a secondary here transfers the zone from: the peer, or the third server that takes the updates."""
        third = self.pair.dns.primary if self.pair.dns is not None else None
        return third if third is not None and third not in self.pair.machines else peer

    def _servers(self) -> tuple[tuple[str, str], ...]:
        return tuple(self.pair.dns.servers.items()) if self.pair.dns is not None else ()

    @property
    def dns_key(self) -> DnsKey | None:
        """The TSIG key, from its file as BIND writes it (named.conf(5), `key`)."""
        if self.pair.dns is None or self.pair.dns.key_file is None or not self.role.is_dns:
            return None
        text = self.secrets.get(self.pair.dns.key_file, "")
        label = "the key of [dns]"
        if text == MASK:
            return DnsKey(*(Untrusted(MASK, label) for _ in range(3)))
        try:
            key = parse_key_statement(text, f"secrets/{self.pair.dns.key_file}")
        except TsigKeyUnusable as error:
            raise NotRenderable(str(error)) from None
        return DnsKey(*(Untrusted(part, label, hidden=True) for part in (key.name, key.algorithm, key.secret)))


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
