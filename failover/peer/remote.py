"""The other machine, asked over ssh.

OpenSSH's own client, without anything that a person's configuration could add: no password, no agent, no forwarding,
the host key pinned under the machine's name, a key that may run one forced command there. See docs/start/peer-ssh.md.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ami_watcher.other_machine import FILE, encode_peer_seen
from failover.context import Context
from failover.errors import FailoverError
from failover.peer.messages import (
    DIGEST,
    FACTS,
    LONGEST,
    SECRETS,
    STATUS,
    SWITCHOVER,
    AnswerUnreadable,
    AnyAnswer,
    DemotionReport,
    PeerFacts,
    PeerRefused,
    PeerRequest,
    PeerStatus,
    SecretsReport,
    SetupDigest,
    SwitchoverReport,
    decode_answer,
)
from failover.peer.secrets import SecretsComparison, compare_secrets, question
from failover.probe_result import ProbeAnswer, ProbeResult
from host.atomic import replace_file
from host.command import CommandLate, CommandMissing, CommandTalkative, run
from host.printable import printable

CONNECT_S: Final = 2
"""Seconds for the TCP connection, in which a lost SYN is sent again; whole ones, as ssh_config(5) wants them. Callers
wait so long for a dead machine."""
ASK_S: Final = 6.0
"""Seconds for status and digest, connection included: the peer looks at its Asterisk for 4 s at most."""
FACTS_S: Final = 20.0
SWITCH_S: Final = 300.0
"""Seconds for a whole switchover there, carriers and proof included."""
SERVE_S: Final = 120.0
"""Seconds for it to serve again: its registrations come first, and what comes later may be looked at there."""
DEMOTE_S: Final = 40.0
"""Seconds for a demotion: reload, wait for the lists, kill, look again."""


class PeerSilent(FailoverError):
    """The peer could not be asked, or did not answer; `answer` says what that proves."""

    def __init__(self, message: str, answer: ProbeAnswer) -> None:
        super().__init__(message)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class PeerEvidence:
    """The peer's status, as evidence.

    Attributes:
        found: how the question went.
        status: its answer; None where there is none.
        clock_s: its clock minus ours, seconds; 0 without an answer.
        unsure_s: by how much clock_s may be wrong.
    """

    found: ProbeResult
    status: PeerStatus | None
    clock_s: float = 0.0
    unsure_s: float = 0.0

    @property
    def surely_apart_s(self) -> float:
        """Seconds by which the clocks differ at least, whatever the network took."""
        return max(0.0, abs(self.clock_s) - self.unsure_s)


@dataclass(frozen=True, slots=True)
class PeerKeys:
    """Where this machine keeps what it needs to reach the other: localized, so never synced.

    Attributes:
        directory: localized/ssh.
    """

    directory: Path

    @property
    def private(self) -> Path:
        """The key that the peer's authorized_keys lists."""
        return self.directory / "peer_key"

    @property
    def known_hosts(self) -> Path:
        """The peer's host keys, under its name in pair.toml."""
        return self.directory / "known_hosts"

    @property
    def config(self) -> Path:
        """Further settings of ssh, such as Port or ProxyJump; usually missing."""
        return self.directory / "config"


class Peer:
    """The other machine of the pair."""

    def __init__(self, context: Context) -> None:
        self.name = context.peer
        self._context = context
        self.keys = PeerKeys(context.places.localized / "ssh")

    def status(self, *, deadline_s: float = ASK_S) -> PeerStatus:
        """What it is.

        Raises:
            PeerSilent, PeerRefused, AnswerUnreadable
        """
        return self._named(self._ask(STATUS, PeerStatus, deadline_s))

    def demote(self, epoch: int, *, deadline_s: float = DEMOTE_S) -> DemotionReport:
        """Asks it to become standby for the promotion `epoch` here, and returns when it has, or has failed to.

        Raises:
            PeerSilent: whether it did is not known.
            PeerRefused, AnswerUnreadable
        """
        return self._ask(PeerRequest("demote", epoch), DemotionReport, deadline_s)

    def serve(self, epoch: int, *, deadline_s: float = SERVE_S) -> SwitchoverReport:
        """Asks it to serve again, which gave way to the promotion `epoch` here, and that was taken back.

        Raises:
            PeerSilent: whether it did is not known.
            PeerRefused, AnswerUnreadable
        """
        return self._ask(PeerRequest("serve", epoch), SwitchoverReport, deadline_s)

    def drain(self, seconds: int, *, deadline_s: float = ASK_S) -> PeerStatus:
        """Has its gate refuse calls by address for so many seconds (0: no longer); what it is, with its live calls.

        Raises:
            PeerSilent, PeerRefused, AnswerUnreadable
        """
        return self._named(self._ask(PeerRequest("drain", seconds=seconds), PeerStatus, deadline_s))

    def switchover(self, *, deadline_s: float = SWITCH_S) -> SwitchoverReport:
        """Has it make itself primary, for a drill; it asks this machine to demote in its turn.

        Raises:
            PeerSilent: whether it did is not known.
            PeerRefused, AnswerUnreadable
        """
        return self._ask(SWITCHOVER, SwitchoverReport, deadline_s)

    def digest(self, *, deadline_s: float = ASK_S) -> SetupDigest:
        """What tells its set-up from ours.

        Raises:
            PeerSilent, PeerRefused, AnswerUnreadable
        """
        return self._ask(DIGEST, SetupDigest, deadline_s)

    def facts(self, *, deadline_s: float = FACTS_S) -> PeerFacts:
        """What should be the same on both.

        Raises:
            PeerSilent, PeerRefused, AnswerUnreadable
        """
        return self._ask(FACTS, PeerFacts, deadline_s)

    def secrets(self, *, deadline_s: float = ASK_S) -> SecretsComparison:
        """How its secrets compare with ours; never raises for what comes back, or does not."""
        asked, unread = question(self._context)
        try:
            said = self._ask(SECRETS, SecretsReport, deadline_s, asked.model_dump_json().encode())
        except (PeerSilent, PeerRefused, AnswerUnreadable) as error:
            return SecretsComparison(unread=unread, unknown=str(error))
        return compare_secrets(asked, unread, said)

    def probe_status(self, *, deadline_s: float = ASK_S) -> PeerEvidence:
        """Its status as evidence; never raises for what comes back."""
        asked = f"ssh {self._context.other.ssh_host}, status"
        started = time.monotonic()
        before = time.time()
        try:
            status = self.status(deadline_s=deadline_s)
        except PeerSilent as error:
            return PeerEvidence(
                ProbeResult("ssh", self.name, asked, error.answer, str(error), time.monotonic() - started), None
            )
        except (PeerRefused, AnswerUnreadable) as error:
            words = f"{self.name}'s ssh answers, and not as it should: {error}"
            return PeerEvidence(
                ProbeResult("ssh", self.name, asked, ProbeAnswer.ODD, words, time.monotonic() - started), None
            )
        self._note(status)
        # It looked at its clock somewhere between our question and its answer.
        unsure = (time.time() - before) / 2
        words = f"{self.name} answers ssh: {status.why}"
        found = ProbeResult("ssh", self.name, asked, ProbeAnswer.YES, words, time.monotonic() - started)
        return PeerEvidence(found, status, status.wall - (before + unsure), unsure)

    def _note(self, status: PeerStatus) -> None:
        """Leaves what was seen for the watcher, which has no key to ask; where that cannot be, it sees nothing."""
        epoch = status.right_epoch or status.served
        seen = encode_peer_seen(
            self.name, at=time.time(), is_primary=status.is_primary, epoch=epoch, held=status.registered[:5000]
        )
        with contextlib.suppress(OSError):
            replace_file(self._context.places.run / FILE, seen, mode=0o644)

    def late_status(self, seconds: float) -> PeerEvidence:
        """What counts when it was not back in time."""
        words = f"{self.name}'s ssh hung for {seconds:.0f} s"
        return PeerEvidence(ProbeResult("ssh", self.name, "status", ProbeAnswer.SILENT, words, seconds), None)

    def argv(self, request: PeerRequest) -> list[str]:
        """The command line of ssh for a request."""
        keys = self.keys
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": str(CONNECT_S),
            "ConnectionAttempts": "1",
            "ServerAliveInterval": "2",
            "ServerAliveCountMax": "2",
            "StrictHostKeyChecking": "yes",
            "HostKeyAlias": self.name,
            "CheckHostIP": "no",
            "UserKnownHostsFile": str(keys.known_hosts),
            "GlobalKnownHostsFile": "/dev/null",
            "UpdateHostKeys": "no",
            "PreferredAuthentications": "publickey",
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "IdentityFile": str(keys.private),
            "ControlMaster": "no",
            "ControlPath": "none",
            "ForwardAgent": "no",
            "ForwardX11": "no",
            "ClearAllForwardings": "yes",
            "PermitLocalCommand": "no",
            "RequestTTY": "no",
            "LogLevel": "ERROR",
        }
        given = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        config = str(keys.config) if keys.config.exists() else "none"
        login = f"{self._context.pair.sync.ssh_user}@{self._context.other.ssh_host}"
        return ["ssh", "-F", config, "-T", *given, "--", login, str(request)]

    def _ask(
        self, request: PeerRequest, wanted: type[AnyAnswer], deadline_s: float, given: bytes | None = None
    ) -> AnyAnswer:
        if not self.keys.private.exists():
            raise PeerSilent(
                f"{self.name} cannot be asked over ssh: there is no key {self.keys.private}. "
                "Set it up as docs/start/peer-ssh.md says",
                ProbeAnswer.UNKNOWN,
            )
        try:
            done = run(self.argv(request), deadline_s=deadline_s, most_bytes=2 * LONGEST, input=given)
        except CommandLate:
            raise PeerSilent(f"{self.name}'s ssh hung for {deadline_s:g} s", ProbeAnswer.SILENT) from None
        except CommandTalkative:
            raise AnswerUnreadable(f"more than {LONGEST // 1024} KiB came back, which no answer has") from None
        except CommandMissing as error:
            raise PeerSilent(f"{self.name} cannot be asked: {error}", ProbeAnswer.UNKNOWN) from None
        if done.returncode == 255:
            said = printable(done.stderr.strip().rpartition("\n")[2].strip(), 160)
            raise PeerSilent(*_failed(self.name, self.keys, said))
        if not done.stdout.strip() and done.stderr.strip():
            raise AnswerUnreadable(f"it ended with {done.returncode}: {printable(done.stderr.strip(), 300)}")
        return decode_answer(done.stdout.encode(), wanted)

    def _named(self, status: PeerStatus) -> PeerStatus:
        if status.machine != self.name:
            raise AnswerUnreadable(
                f"it says that it is '{status.machine}'; see machines.{self.name}.ssh in pair.toml and "
                "localized/machine there"
            )
        return status


def _failed(peer: str, keys: PeerKeys, said: str) -> tuple[str, ProbeAnswer]:
    """What ssh's last words mean (exit code 255: it did not get as far as running anything)."""
    meanings = (
        ("Host key verification failed", f"its host key is not the one in {keys.known_hosts}", ProbeAnswer.ODD),
        ("IDENTIFICATION HAS CHANGED", f"its host key is not the one in {keys.known_hosts}", ProbeAnswer.ODD),
        ("host key is known", f"its host key is not in {keys.known_hosts}", ProbeAnswer.ODD),
        ("Permission denied", f"it does not know the key {keys.private}", ProbeAnswer.ODD),
        ("Connection refused", "nobody listens for ssh: it is alive, its sshd is not", ProbeAnswer.REFUSED),
        ("timed out", "no answer", ProbeAnswer.SILENT),
        ("not responding", "the connection was made, and then it was silent", ProbeAnswer.SILENT),
        ("No route to host", "no route to it", ProbeAnswer.SILENT),
        ("Network is unreachable", "no network here", ProbeAnswer.UNKNOWN),
        ("Could not resolve", "its name is not known here", ProbeAnswer.UNKNOWN),
        ("banner exchange", "the connection was made, and then it was silent", ProbeAnswer.SILENT),
        ("Connection closed", "it closed the connection", ProbeAnswer.ODD),
        ("Connection reset", "it closed the connection", ProbeAnswer.ODD),
    )
    for part, words, answer in meanings:
        if part in said:
            return f"{peer} does not answer ssh: {words}", answer
    return f"{peer} does not answer ssh: {said or 'ssh gave no reason'}", ProbeAnswer.UNKNOWN
