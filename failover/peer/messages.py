"""What the machines say to each other over ssh: eight requests, their answers, and how each is read. No I/O.

A request is one of a few words. An answer is one line of JSON that says which it is; lines before it, such as a
login's greeting, are no answer and are passed over. Everything that comes is taken for hostile: bounded in size,
typed, and made printable before anybody sees it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from failover.errors import FailoverError
from host.file_reading import MISREAD, from_json
from host.printable import printable
from pair.readiness import Readiness

LONGEST: Final = 4 * 1024 * 1024
"""Bytes of an answer that are read: the status of a machine with 20,000 registrations takes about half."""

_MARK: Final = b'{"hotstandby":'
_REQUEST: Final = re.compile(
    r"(status|digest|facts|secrets|switchover)|(demote|serve) ([0-9]{1,12})|drain ([0-9]{1,2})"
)

Verb = Literal["status", "digest", "facts", "secrets", "switchover", "demote", "serve", "drain"]


class NotUnderstood(FailoverError):
    """What was asked is not one of the eight requests."""


class AnswerUnreadable(FailoverError):
    """What came back is not an answer."""


class PeerRefused(FailoverError):
    """The peer understood, and did not do it; the message is its own."""


@dataclass(frozen=True, slots=True)
class PeerRequest:
    """One thing that a machine may ask of the other.

    Attributes:
        verb: which.
        epoch: of the promotion for which the peer shall demote, or which was taken back and for which it gave way, so
            that it shall serve again; 0 for the others.
        seconds: for which its gate shall refuse calls by address, below 100; 0 for the others, and to end it.
    """

    verb: Verb
    epoch: int = 0
    seconds: int = 0

    def __str__(self) -> str:
        if self.verb == "drain":
            return f"drain {self.seconds}"
        return f"{self.verb} {self.epoch}" if self.verb in ("demote", "serve") else self.verb


STATUS: Final = PeerRequest("status")
DIGEST: Final = PeerRequest("digest")
FACTS: Final = PeerRequest("facts")
SECRETS: Final = PeerRequest("secrets")
"""Its question stands on standard input: see failover.peer.secrets."""
SWITCHOVER: Final = PeerRequest("switchover")


def parse_request(text: str) -> PeerRequest:
    """The request in the words of SSH_ORIGINAL_COMMAND.

    Raises:
        NotUnderstood
    """
    found = _REQUEST.fullmatch(text)
    if found is None:
        raise NotUnderstood(
            f"'{printable(text, 80)}' is not a request. There are: status, digest, facts, secrets, switchover, and "
            "demote, serve or drain with a number."
        )
    if found[2] is not None:
        return PeerRequest("demote" if found[2] == "demote" else "serve", int(found[3]))
    if found[4] is not None:
        return PeerRequest("drain", seconds=int(found[4]))
    return next(one for one in (STATUS, DIGEST, FACTS, SECRETS, SWITCHOVER) if one.verb == found[1])


def _shown(text: str) -> str:
    return printable(text, 600)


Text = Annotated[str, StringConstraints(max_length=4096), AfterValidator(_shown)]
Short = Annotated[str, StringConstraints(max_length=200), AfterValidator(_shown)]
Number = Annotated[int, Field(ge=0, le=10**12)]


class PeerAnswer(BaseModel):
    """A newer version may say more than this one knows; what it does say must be of the right kind."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    @property
    def done(self) -> bool:
        """Whether what was asked for is done; never for a refusal."""
        return True


class PeerRegistration(PeerAnswer):
    """One outbound registration, as the peer's Asterisk lists it."""

    trunk: Short
    shared: bool
    state: Short
    registered: bool
    expiry_s: Number = 0
    """How long the carrier keeps the binding after the last refresh, at most."""


class AsteriskStatus(PeerAnswer):
    """The peer's Asterisk."""

    state: Literal["answers", "silent", "down"]
    words: Text
    version: Short = ""
    calls: Annotated[int, Field(ge=0, le=10**7)] | None = None
    registrations: tuple[PeerRegistration, ...] = Field(default=(), max_length=20_000)
    listed: bool = False
    """Whether its registrations could be read; no registrations prove nothing otherwise."""
    gate: Literal["", "primary", "standby"] = ""
    """As which the gate in its running dialplan behaves; empty where none is loaded, or nobody looked."""
    gated: tuple[Short, ...] | None = Field(default=None, max_length=20_000)
    """Trunks by address for which its running dialplan asks the gate; None where nobody looked."""


class PeerStatus(PeerAnswer):
    """What a machine is."""

    machine: Short
    pair: Short
    pair_digest: Short
    wall: Annotated[float, Field(ge=0, le=1e11)]
    """Unix seconds when it answered."""
    boot_id: Short
    role: Literal["primary", "standby", "unknown"]
    generation: Short
    since: Annotated[float, Field(ge=0, le=1e11)] = 0.0
    """Unix seconds of the swap to that generation; 0 where it is not known."""
    is_primary: bool
    why: Text
    right_held: bool
    epoch: Number
    dns_role: Literal["primary", "secondary", "unknown"] = "unknown"
    fenced: Text
    paused: Text
    open_run: Short
    claim: Number = 0
    """Epoch of the promotion that runs there at this moment; 0 for none."""
    served: Number = 0
    """Epoch of the last promotion that it completed; one that was taken back counts for nothing."""
    right_epoch: Number = 0
    """Epoch of the right that it holds; 0 for none, and for a person's word."""
    warning: Text = ""
    """Why the pair.toml that serves there is not the current file; empty where it is."""
    readiness: Readiness | None = None
    """None where nobody looked since it started."""
    asterisk: AsteriskStatus

    @property
    def registered(self) -> tuple[str, ...]:
        """Shared trunks that its Asterisk holds registered."""
        return tuple(one.trunk for one in self.asterisk.registrations if one.shared and one.registered)

    @property
    def serves(self) -> bool:
        """Whether it is primary, or holds a shared account whatever it is."""
        return bool(self.registered) or (self.is_primary and self.asterisk.state == "answers")

    @property
    def proven_standby(self) -> bool:
        """Whether it was seen to hold nothing, and not to be after it: it serves a standby generation, without the
        right, no promotion runs there, and its Asterisk is down or lists no shared account."""
        quiet = self.asterisk.state == "down" or (self.asterisk.listed and not self.trying)
        return self.role == "standby" and not self.right_held and not self.claim and quiet

    @property
    def trying(self) -> tuple[str, ...]:
        """Shared trunks that its Asterisk lists at all: one that is not registered now goes on trying."""
        return tuple(one.trunk for one in self.asterisk.registrations if one.shared)


class DemotionReport(PeerAnswer):
    """How a demotion ended."""

    machine: Short
    epoch: Number
    proven: bool
    words: Text
    seconds: Annotated[float, Field(ge=0, le=1e6)]
    killed: bool

    @property
    def done(self) -> bool:
        """Whether it is standby, and proved it."""
        return self.proven


class StepReport(PeerAnswer):
    """One step of a switchover there, as its journal tells it."""

    step: Short
    progress: Short
    seconds: Annotated[float, Field(ge=0, le=1e6)]
    words: Text


class SwitchoverReport(PeerAnswer):
    """How a switchover to the peer ended."""

    machine: Short
    run: Number
    """Its number in the peer's history; 0 where none was begun."""
    epoch: Number
    exit: Annotated[int, Field(ge=0, le=5)]
    words: Text
    seconds: Annotated[float, Field(ge=0, le=1e6)]
    moved_s: Annotated[float, Field(ge=0, le=1e6)]
    steps: tuple[StepReport, ...] = Field(default=(), max_length=200)


class SetupDigest(PeerAnswer):
    """What tells two set-ups apart."""

    machine: Short
    pair_digest: Short
    generations: dict[Short, Short] = Field(default_factory=dict, max_length=50)


class PeerFacts(PeerAnswer):
    """What should be the same on both machines, by name."""

    machine: Short
    facts: dict[Short, Text] = Field(default_factory=dict, max_length=20_000)
    wall: Annotated[float, Field(ge=0, le=1e11)]


class SecretsReport(PeerAnswer):
    """How the answerer's secrets compare with the asker's: key paths in pair.toml, and nothing of what they name."""

    machine: Short
    differ: tuple[Text, ...] = Field(default=(), max_length=20_000)
    unread: tuple[Text, ...] = Field(default=(), max_length=20_000)
    """Those that cannot be read here, or that this pair.toml does not name."""


class PeerRefusal(PeerAnswer):
    """Why the peer does not do it."""

    reason: Text

    @property
    def done(self) -> bool:
        """Never."""
        return False


KINDS: Final[dict[type[PeerAnswer], str]] = {
    PeerStatus: "status",
    DemotionReport: "demoted",
    SwitchoverReport: "switched",
    SetupDigest: "digest",
    PeerFacts: "facts",
    SecretsReport: "compared",
    PeerRefusal: "refused",
}

AnyAnswer = TypeVar("AnyAnswer", bound=PeerAnswer)


def encode_answer(answer: PeerAnswer) -> str:
    """An answer as the line that goes back."""
    body = answer.model_dump(mode="json")
    return json.dumps({"hotstandby": 1, "kind": KINDS[type(answer)], "body": body}, separators=(",", ":"))


def decode_answer(data: bytes, wanted: type[AnyAnswer]) -> AnyAnswer:
    """The answer among the bytes that came back.

    Raises:
        AnswerUnreadable: there is none, or it is not of the wanted kind.
        PeerRefused: it is a refusal.
    """
    if len(data) > LONGEST:
        raise AnswerUnreadable(f"more than {LONGEST // 1024} KiB came back, which no answer has")
    lines = [each for each in data.split(b"\n") if each.startswith(_MARK)]
    if not lines:
        shown = printable(data.decode(errors="replace").strip().rpartition("\n")[2], 80)
        raise AnswerUnreadable(
            f"what came back is no answer of hotstandby{f' (it ends with: {shown})' if shown else ''}; "
            "see the forced command of the key in authorized_keys there"
        )
    if len(lines) > 1:
        raise AnswerUnreadable("more than one answer came back")
    try:
        found = from_json(lines[0])
        if found["hotstandby"] != 1:
            raise AnswerUnreadable(f"it speaks version {printable(str(found['hotstandby']), 20)}, and this one 1")
        kind, body = found["kind"], found["body"]
        if kind == "refused":
            raise PeerRefused(PeerRefusal.model_validate(body).reason)
        if kind != KINDS[wanted]:
            raise AnswerUnreadable(f"it answered '{printable(str(kind), 40)}' where {KINDS[wanted]} was asked")
        return wanted.model_validate(body, strict=False)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = printable(".".join(str(part) for part in first["loc"]), 80)
        raise AnswerUnreadable(f"its {KINDS[wanted]} is not one: {where}: {printable(str(first['msg']), 80)}") from None
    except MISREAD as error:
        raise AnswerUnreadable(f"it is not JSON of ours ({type(error).__name__})") from None
