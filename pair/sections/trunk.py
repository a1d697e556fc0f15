"""Trunks: the accounts at carriers that one machine holds at a time, and the trunks that reach us by address."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from pair.fields import Host, Line, Name, Port, ProxyUri, SecretFile, Section, SectionName, UriParameters

_PJSIP_LEAST_S = 12
"""Seconds. PJSIP refreshes 10 s early (REREGISTER_BUFFER_TIME), and a registrar grants a second less than was asked;
granted 10 or less it sent 100 to 400 REGISTERs a second, on Asterisk 16 and 22."""
_REFUSED_AGAIN_S = (2, 30)
"""Seconds: the shortest and the longest pause between two attempts at a carrier that refuses."""


class Trunk(Section):
    """One trunk, as both machines see it; keys that differ on a machine stand in `machines`."""

    channel: Literal["sip", "iax2", "pjsip"]
    """The channel driver: sip is chan_sip, up to Asterisk 20."""
    host: Host
    """The carrier's registrar, or the address that its calls come from."""
    port: Port | None = None
    """The protocol's own where it is left out: 5060, 5061 over TLS, or 4569 for iax2."""
    domain: Host | None = None
    """sip, pjsip: the account's domain where it is not the registrar, as with an IMS carrier; host otherwise."""
    protocol: Literal["udp", "tcp", "tls"] = "udp"
    """sip, pjsip: how the registrar is reached. Asterisk's own files need a transport for it."""
    register_: bool = Field(default=True, alias="register")
    """False: it reaches us by address and fails over by itself; nothing to register."""
    username: Line | None = None
    """The account; needed where it registers."""
    auth_username: Line | None = None
    """Where the carrier wants another one for authentication than for the address; username otherwise."""
    secret_file: SecretFile | None = None
    """Its password; needed where it registers."""
    account: Literal["shared", "per-machine"] = "shared"
    """shared: only the primary registers. per-machine: both do, with accounts of their own."""
    second_registration: Literal["replaces", "rings_both", "refused"] = "replaces"
    """What the carrier does when a second machine registers on the same account."""
    required: bool = False
    """Without it a promotion has failed; otherwise it is degraded."""
    emergency: bool = False
    """Emergency calls leave here: proven outbound in either role."""
    carrier: Name | None = None
    """Its entry under [carriers]."""
    when_standby: Literal["refuse", "answer"] = "refuse"
    """For trunks by address: 503 before answering, so that the carrier goes on to the other machine; or answer."""
    expiry_s: int = Field(default=120, ge=5, le=86400)
    """Registration expiry that is asked for, in seconds: a dead machine's binding lives that long at the carrier."""
    contact: Line | None = None
    """Extension that its calls arrive at; the username where it is left out."""
    transport: SectionName | None = None
    """pjsip: the transport that its registration leaves by; Asterisk chooses where it is left out."""
    endpoint: SectionName | None = None
    """pjsip: calls are matched to this endpoint by the line parameter of the registration."""
    outbound_proxy: ProxyUri | None = None
    """pjsip: what its registrations pass through, such as sip:proxy.example;lr."""
    server_uri_parameters: UriParameters | None = None
    """pjsip: appended to the registrar's URI, such as user=phone."""
    realm: Line | None = None
    """pjsip: the only realm that its password is given to; any where it is left out."""
    support_path: bool = False
    """pjsip: says that it supports Path (RFC 3327)."""
    machines: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Keys that differ on a machine."""

    @property
    def server_port(self) -> int:
        """The port that registrations go to."""
        own = 4569 if self.channel == "iax2" else 5061 if self.protocol == "tls" else 5060
        return self.port if self.port is not None else own

    @property
    def refused_again_s(self) -> int:
        """Seconds between two attempts after a refusal.

        Where the carrier refuses a second registration, the other machine's binding stands in the way for as long as
        it lives, `expiry_s` at most: a third of that, for every second after its end is one without calls.
        """
        least, most = _REFUSED_AGAIN_S
        return min(most, max(least, self.expiry_s // 3)) if self.second_registration == "refused" else most

    @model_validator(mode="after")
    def _a_registration_needs_an_account(self) -> Trunk:
        if self.register_ and not self.machines:
            missing = [key for key in ("username", "secret_file") if getattr(self, key) is None]
            if missing:
                raise ValueError(
                    f"it registers, so it needs {' and '.join(missing)} "
                    "(or register = false, where it reaches us by address)"
                )
        if self.channel == "pjsip" and self.register_ and self.expiry_s < _PJSIP_LEAST_S:
            raise ValueError(
                f"expiry_s is {self.expiry_s}, and PJSIP refreshes 10 s before the end: "
                f"it would register without a pause. Ask for {_PJSIP_LEAST_S} or more"
            )
        if self.channel != "pjsip":
            for key in _PJSIP_ALONE:
                if getattr(self, key):
                    raise ValueError(
                        f'{key} is for channel = "pjsip"; this trunk is {self.channel}{_proxy_of(key, self)}'
                    )
        if self.channel == "iax2":
            for key in ("auth_username", "domain"):
                if getattr(self, key) is not None:
                    raise ValueError(f"iax2 has no {key} of its own; remove the key")
            if self.protocol != "udp":
                raise ValueError("iax2 goes over UDP alone; remove protocol")
        user, at, domain = (self.username or "").rpartition("@")
        if at and self.register_ and self.channel != "iax2" and self.domain is None:
            raise ValueError(
                f"its username is '{self.username}', and what follows the '@' is a domain of its own: write "
                f'username = "{user}" and domain = "{domain}"; auth_username may keep it. '
                "Where the '@' belongs to the name, say so with domain = the host"
            )
        return self


_PJSIP_ALONE = ("transport", "endpoint", "outbound_proxy", "server_uri_parameters", "realm", "support_path")


def _proxy_of(key: str, trunk: Trunk) -> str:
    if key != "outbound_proxy" or trunk.channel != "sip":
        return ""
    return (
        ". chan_sip registers at host and names the domain: write the proxy as host, and the account's domain as domain"
    )
