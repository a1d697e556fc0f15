"""[lookup.X]: what the dialplan may ask Domino, and what becomes of the answer."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from pair.fields import AbsolutePath, Host, Line, Port, SecretFile, Section
from pair.telephone import Spelling, known_region

STATUS: Final = "LOOKUP_STATUS"
"""The variable that says how a lookup ended; always set, and always last."""

_VARIABLE = re.compile(r"_{0,2}[A-Za-z][A-Za-z0-9_]{0,78}")
_FUNCTION = re.compile(r"([A-Z][A-Z0-9_]{0,39})\([A-Za-z0-9_.:/,-]{0,80}\)")
_REACHES_FURTHER = {"FILE", "SHELL", "EVAL", "ENV", "CURL", "SET", "EXPORT", "IMPORT", "LOCK", "REALTIME", "ODBC"}
"""Functions that write or run something outside the channel, with a value that comes from outside."""
_KEY = re.compile(r"arg[1-9][0-9]?|callerid|calleridname|dnid|rdnis|extension")
_XML_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,126}")


def _database(text: str) -> str:
    if not re.fullmatch(r"[^?!#\x00-\x1f\x7f]{1,200}", text) or ".." in text.split("/"):
        raise ValueError("path of a database on the server, such as crm/phones.nsf")
    return text


def _variable(text: str) -> str:
    if text.upper().lstrip("_") == STATUS:
        raise ValueError(f"{STATUS} is set by the lookup itself; take another variable")
    function = _FUNCTION.fullmatch(text)
    if function and function[1] in _REACHES_FURTHER:
        raise ValueError(f"{function[1]}() reaches beyond the channel, and the value comes from outside")
    if not function and not _VARIABLE.fullmatch(text):
        raise ValueError("a channel variable such as COMPANY, or a function such as CALLERID(name)")
    return text


def _key(text: str) -> str:
    if not _KEY.fullmatch(text):
        raise ValueError("arg1 to arg99, callerid, calleridname, dnid, rdnis, extension")
    return text


def _xml_name(text: str) -> str:
    if not _XML_NAME.fullmatch(text):
        raise ValueError("a name as it stands in the WSDL, where those from LotusScript are in upper case")
    return text


def _region(text: str) -> str:
    if not known_region(text):
        raise ValueError("a country in two capital letters, such as US or DE")
    return text


def _bare(text: str) -> str:
    if "{" in text or "}" in text:
        raise ValueError("the name of a field, without braces")
    return text


def _value(text: str) -> str:
    if len(text) > 250 or not text.isprintable():
        raise ValueError("at most 250 characters on one line, without control characters")
    return text


Variable = Annotated[str, AfterValidator(_variable)]
XmlName = Annotated[str, AfterValidator(_xml_name)]
FieldName = Annotated[Line, AfterValidator(_bare)]

_NEEDS: Final[dict[str, frozenset[str]]] = {
    "view": frozenset({"view"}),
    "view-xml": frozenset({"view"}),
    "access-services": frozenset({"view"}),
    "agent": frozenset({"agent"}),
    "web-service": frozenset({"service", "namespace", "operation"}),
}
_MAY: Final[dict[str, frozenset[str]]] = {
    "view": frozenset({"key_column"}),
    "view-xml": frozenset({"key_column"}),
    "access-services": frozenset({"key_column"}),
    "agent": frozenset({"argument", "output"}),
    "web-service": frozenset({"argument"}),
}


class Number(Section):
    """The key is a telephone number."""

    region: Annotated[str, AfterValidator(_region)] | None = None
    """Country of numbers that come without one, such as "US"; left out: only those that begin with + are understood."""
    spellings: Annotated[tuple[Spelling, ...], Field(min_length=1)] = ("e164",)
    """How to ask for it, one after the other until something is found: e164 is +14155551212, digits 14155551212,
    international +1 415-555-1212, national (415) 555-1212, local 4155551212, as-given what the carrier sent. The two
    without a country code, national and local, are made for numbers of region alone."""

    @field_validator("spellings")
    @classmethod
    def _have_their_country(cls, given: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if "region" in info.data and info.data["region"] is None and (bare := {"national", "local"} & {*given}):
            raise ValueError(f'{" and ".join(sorted(bare))}: numbers of which country? set region, such as "US"')
        return given


class Lookup(Section):
    """One question, asked with a key that the call brings."""

    site: Host
    """An alias of [domino.sites], or a full name or address."""
    request: Literal["view", "view-xml", "access-services", "agent", "web-service"]
    """view, view-xml: `?ReadViewEntries`; access-services: Domino Access Services; agent: `?OpenAgent`; web-service:
    `?OpenWebService`."""
    database: Annotated[str, AfterValidator(_database)]
    """Path on the server, such as crm/phones.nsf."""
    view: Annotated[Line | None, Field(validate_default=True)] = None
    """For the first three requests."""
    key_column: Annotated[FieldName | None, Field(validate_default=True)] = None
    """Programmatic name of the view's sorted column that is the key. Left out: the view is categorized by the key."""
    agent: Annotated[Line | None, Field(validate_default=True)] = None
    """Its name in the database."""
    service: Annotated[Line | None, Field(validate_default=True)] = None
    """The web service's name in the database."""
    namespace: Annotated[Line | None, Field(validate_default=True)] = None
    """targetNamespace of its WSDL, such as urn:DefaultNamespace."""
    operation: Annotated[XmlName | None, Field(validate_default=True)] = None
    """As in the WSDL, where names from LotusScript are in upper case."""
    argument: Annotated[XmlName | None, Field(validate_default=True)] = None
    """What the agent (left out: key) or the operation (left out: KEY) gets the key as."""
    output: Annotated[Literal["json", "xml", "text"] | None, Field(validate_default=True)] = None
    """What the agent prints; left out: json."""

    key: Annotated[tuple[Annotated[str, AfterValidator(_key)], ...], Field(min_length=1)] = ("arg1", "callerid")
    """Where the key is, the first that is not empty: arg1 to arg99, callerid, calleridname, dnid, rdnis, extension."""
    number: Number | None = None
    """Left out: the key is any text."""

    variables: Annotated[dict[Variable, FieldName], Field(min_length=1)]
    """Channel variable or function -> field of the answer, such as "CALLERID(name)" = "FullName"."""
    defaults: dict[Variable, Annotated[str, AfterValidator(_value)]] = Field(default_factory=dict)
    """Channel variable or function -> value when there is none; one without a default stays as it was."""

    deadline_ms: Annotated[int, Field(ge=20, le=30_000)] = 800
    """For everything that Domino has to be asked; the call goes on after it."""
    fresh_s: Annotated[float, Field(ge=0, le=31_536_000)] = 300
    """An answer younger than this is as good as a new one."""
    renew_s: Annotated[float | None, Field(ge=0, le=31_536_000)] = None
    """Younger than this, it is given at once, and renewed behind the call. Left out: ten times fresh_s."""
    stale_s: Annotated[float | None, Field(ge=0, le=31_536_000)] = None
    """Younger than this, it is given when Domino does not answer. Left out: a week, or renew_s if that is longer."""
    missing_s: Annotated[float, Field(ge=0, le=86_400)] = 60
    """How long it is believed that there is nothing under a key."""

    login: Literal["none", "basic", "session"] = "none"
    """session is the form at /names.nsf?Login."""
    user: Annotated[Line | None, Field(validate_default=True)] = None
    """Name of the Domino user."""
    secret_file: Annotated[SecretFile | None, Field(validate_default=True)] = None
    """File in secrets/ with the user's password."""

    scheme: Literal["http", "https"] = "http"
    """Domino's certificate never names an alias: https wants tls_host_name."""
    port: Port | None = None
    """Left out: 80, or 443."""
    host_header: Host | None = None
    """Name to ask the site by. Left out: the alias, which is no site's name, so that the address decides."""
    tls_host_name: Host | None = None
    """Whom the certificate names."""
    tls_ca_file: AbsolutePath | None = None
    """PEM of who signed it. Left out: the system's authorities."""

    @field_validator("view", "key_column", "agent", "service", "namespace", "operation", "argument", "output")
    @classmethod
    def _belongs_to_the_request(cls, given: str | None, info: ValidationInfo) -> str | None:
        request = info.data.get("request")
        name = info.field_name or ""
        if request is None:
            return given
        if given is None and name in _NEEDS[request]:
            raise ValueError(f"is needed for request = '{request}'")
        if given is not None and name not in _NEEDS[request] | _MAY[request]:
            raise ValueError(f"means nothing for request = '{request}'; leave it out")
        if request == "agent" and name == "output" and given is None:
            return "json"
        if request in ("agent", "web-service") and name == "argument" and given is None:
            return "key" if request == "agent" else "KEY"
        return given

    @field_validator("defaults")
    @classmethod
    def _is_for_a_variable(cls, given: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        for name in given:
            if "variables" in info.data and name not in info.data["variables"]:
                raise ValueError(f"'{name}' does not stand in variables")
        return given

    @field_validator("renew_s", "stale_s")
    @classmethod
    def _is_not_earlier(cls, given: float | None, info: ValidationInfo) -> float | None:
        before = "renew_s" if info.field_name == "stale_s" and info.data.get("renew_s") is not None else "fresh_s"
        least = info.data.get(before)
        if given is not None and least is not None and given < least:
            raise ValueError(f"at least {before}, which is {least:g}")
        return given

    @field_validator("user", "secret_file")
    @classmethod
    def _goes_with_a_login(cls, given: str | None, info: ValidationInfo) -> str | None:
        login = info.data.get("login")
        if login in ("basic", "session") and given is None:
            raise ValueError(f"is needed for login = '{login}'")
        if login == "none" and given is not None:
            raise ValueError("means nothing without a login; say login = 'basic' or 'session'")
        return given

    @property
    def renewed_until_s(self) -> float:
        """renew_s, or ten times fresh_s but no longer than stale_s."""
        if self.renew_s is not None:
            return self.renew_s
        return self.fresh_s * 10 if self.stale_s is None else min(self.fresh_s * 10, self.stale_s)

    @property
    def stale_until_s(self) -> float:
        """stale_s, or a week, or as long as renewals."""
        return self.stale_s if self.stale_s is not None else max(604_800.0, self.renewed_until_s)

    @property
    def base_url(self) -> str:
        """Scheme, alias and port."""
        host = f"[{self.site}]" if ":" in self.site else self.site
        return f"{self.scheme}://{host}:{self.port or (443 if self.scheme == 'https' else 80)}"
