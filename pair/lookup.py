"""[lookup.X]: what the dialplan may ask Domino, and what becomes of the answer."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from pair.fields import AbsolutePath, Host, Line, Port, SecretFile, Section

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
    from phonenumbers import SUPPORTED_REGIONS

    if text not in SUPPORTED_REGIONS:
        raise ValueError("a country in two capital letters, such as US or DE")
    return text


def _bare(text: str) -> str:
    if "{" in text or "}" in text:
        raise ValueError("the name of a field, without braces")
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
    """The key is a telephone number.

    Attributes:
        region: country of numbers that come without one, such as "US"; left out: only those that begin with + count.
        spellings: how to ask for it, in this order until something is found: e164 +14155551212, digits 14155551212,
            international +1 415-555-1212, national (415) 555-1212, local 4155551212, as-given.
    """

    region: Annotated[str, AfterValidator(_region)] | None = None
    spellings: Annotated[
        tuple[Literal["e164", "digits", "international", "national", "local", "as-given"], ...], Field(min_length=1)
    ] = ("e164",)


class Lookup(Section):
    """One question, asked with a key of the call's.

    Attributes:
        site: alias in [domino.sites].
        request: view and view-xml (`?ReadViewEntries`), access-services (Domino Access Services), agent
            (`?OpenAgent`), web-service (`?OpenWebService`).
        view, key_column: the view; the programmatic name of its sorted column that is the key. Without key_column, a
            view is categorized by the key.
        agent, service: their names in the database.
        namespace, operation: of the web service, as in its WSDL.
        argument: name of the argument that the agent or the operation gets the key in.
        output: what the agent prints.
        key: where the key is, the first that is not empty.
        number: the key is a telephone number.
        variables: channel variable or function -> field of the answer.
        defaults: channel variable or function -> value when there is none.
        deadline_ms: for everything that has to be asked; the call goes on after it.
        fresh_s, renew_s, stale_s: an answer younger than fresh_s is as good as a new one; younger than renew_s it is
            given at once while Domino is asked behind the call; younger than stale_s it is given when Domino fails.
        missing_s: how long "not found" is believed.
        login, user, secret_file: none; basic; session is the form at /names.nsf?Login.
        scheme, port: of the site.
        host_header: name to ask the site by. Left out, it is the alias, which no site of Domino's knows, so that the
            address decides.
        tls_host_name, tls_ca_file: for https: whom the certificate names, and who signed it.
    """

    site: Host
    request: Literal["view", "view-xml", "access-services", "agent", "web-service"]
    database: Annotated[str, AfterValidator(_database)]
    view: Annotated[Line | None, Field(validate_default=True)] = None
    key_column: Annotated[FieldName | None, Field(validate_default=True)] = None
    agent: Annotated[Line | None, Field(validate_default=True)] = None
    service: Annotated[Line | None, Field(validate_default=True)] = None
    namespace: Annotated[Line | None, Field(validate_default=True)] = None
    operation: Annotated[XmlName | None, Field(validate_default=True)] = None
    argument: Annotated[XmlName | None, Field(validate_default=True)] = None
    output: Annotated[Literal["json", "xml", "text"] | None, Field(validate_default=True)] = None

    key: Annotated[tuple[Annotated[str, AfterValidator(_key)], ...], Field(min_length=1)] = ("arg1", "callerid")
    number: Number | None = None

    variables: Annotated[dict[Variable, FieldName], Field(min_length=1)]
    defaults: dict[Variable, Annotated[str, Field(max_length=500)]] = Field(default_factory=dict)

    deadline_ms: Annotated[int, Field(ge=20, le=30_000)] = 800
    fresh_s: Annotated[float, Field(ge=0, le=31_536_000)] = 300
    renew_s: Annotated[float | None, Field(ge=0, le=31_536_000)] = None
    stale_s: Annotated[float | None, Field(ge=0, le=31_536_000)] = None
    missing_s: Annotated[float, Field(ge=0, le=86_400)] = 60

    login: Literal["none", "basic", "session"] = "none"
    user: Annotated[Line | None, Field(validate_default=True)] = None
    secret_file: Annotated[SecretFile | None, Field(validate_default=True)] = None

    scheme: Literal["http", "https"] = "http"
    port: Port | None = None
    host_header: Host | None = None
    tls_host_name: Host | None = None
    tls_ca_file: AbsolutePath | None = None

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
        return f"{self.scheme}://{self.site}:{self.port or (443 if self.scheme == 'https' else 80)}"
