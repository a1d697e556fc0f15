"""[watcher]: how the registrations are followed."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from pair.fields import AbsolutePath, Address, Host, Line, Port, SecretFile, Section


def _web_address(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#@]+(?:[/?][^\s#]*)?", text):
        raise ValueError("an http:// or https:// address without user and password, such as https://chat.example/hook")
    return text


WebAddress = Annotated[Line, AfterValidator(_web_address)]


class Hooks(Section):
    """[watcher.hooks]: who is told of a change, besides the programs in hooks/watcher/."""

    settle_s: float = Field(default=3.0, ge=0.0, le=300.0)
    """A change is told when it has held for so many seconds; what goes back sooner is told to nobody."""
    deadline_s: float = Field(default=10.0, ge=1.0, le=120.0)
    """For one program, or one try of the webhook."""
    attempts: int = Field(default=5, ge=1, le=20)
    """Tries in all before a change is given up, with 1, 2, 4 … seconds between them."""
    webhook: WebAddress | None = None
    """Where each change is sent to as JSON, by POST."""
    webhook_token_file: SecretFile | None = None
    """Its content goes out as "Authorization: Bearer …"."""


class Watcher(Section):
    """Settings of ami-watcher."""

    poll_s: float = Field(default=5.0, ge=0.2, le=60.0)
    """How often the lists of registrations are read; they are read at once after any event as well."""
    answer_s: float = Field(default=3.0, ge=0.2, le=30.0)
    """How long Asterisk may take to answer one action before it counts as hung."""
    stale_s: float = Field(default=15.0, ge=1.0, le=300.0)
    """A registration whose last proof is older than this is shown as unknown."""
    refresh_grace_s: float = Field(default=30.0, ge=1.0, le=300.0)
    """How long a held registration may be under way again before it counts as lost; less where less of it is left."""
    contacts_poll_s: float = Field(default=30.0, ge=1.0, le=3600.0)
    """How often the lists of phones and peers are read."""
    kick: bool = True
    """Whether a registration that Asterisk has given up for ever is started again, while this machine may register."""
    kick_after_s: float = Field(default=30.0, ge=1.0, le=3600.0)
    """How long it is left alone first; the pause doubles with every attempt that did not help, up to 15 minutes."""
    listen: Address = "127.0.0.1"
    """Where the page and the API are served; anything but loopback needs token_file."""
    port: Port = 8160
    """Of the page, the API and the metrics."""
    token_file: SecretFile | None = None
    """What a browser or a program has to show; without one only this machine is served."""
    hosts: tuple[Host, ...] = ()
    """Further names by which the page is reached; a request under any other name is refused (DNS rebinding)."""
    history_days: int = Field(default=30, ge=1, le=400)
    """How long changes of registrations and contacts are kept."""
    contacts_dir: AbsolutePath | None = None
    """Where NAME-OF-MACHINE.json says who is registered there: a directory that is synced both ways, so that each
    machine finds the other's. contacts/ under /var/lib/hotstandby where it is left out."""
    hooks: Hooks = Hooks()
    """Who is told of a change."""

    @model_validator(mode="after")
    def _proof_outlives_a_poll(self) -> Watcher:
        if self.stale_s < self.poll_s + self.answer_s:
            raise ValueError(
                f"stale_s = {self.stale_s:g} is less than poll_s + answer_s = {self.poll_s + self.answer_s:g}: "
                "everything would be unknown between two polls"
            )
        return self
