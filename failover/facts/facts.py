"""Everything that the checks look at, as one frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, IntEnum
from typing import TYPE_CHECKING

from failover.peer.secrets import SecretsComparison
from pair import Pair, Trunk
from pair.public_role import Believed, PublicRole, RoleAnswer, believed, epochs_told, newest

if TYPE_CHECKING:  # a promotion makes facts too, and goes without what reads BIND and the dialplan
    from failover.bind.named_conf import ZoneStatement
    from failover.peer.messages import PeerStatus
    from failover.probe_result import ProbeResult
    from failover.probes.dialplan_gate import DialplanGate
    from failover.probes.evidence import Evidence
    from failover.steps.proof.external_checks import ProofResult

Settings = Mapping[str, str]
"""Options of one section of a configuration file, names in lower case."""


class Depth(IntEnum):
    """How much was looked at; each includes those before it."""

    PLAN = 1
    """What a promotion looks at before it begins: the peer, the name servers, this machine."""
    READY = 2
    """And all else that a promotion needs: carriers, Domino, secrets of both machines."""
    SET_UP = 3
    """And the configuration of Asterisk, BIND and systemd."""


class KeyAnswer(Enum):
    """What a name server says to a query that is signed with dns.key_file."""

    TAKEN = ""
    OTHER_SECRET = "knows a key by our key's name, with another secret"  # noqa: S105 - words about a key
    UNKNOWN_KEY = "does not know our key"


@dataclass(frozen=True, slots=True)
class OpenRun:
    """The newest run, where it is not complete.

    Attributes:
        command, number: which.
        damaged: its journal cannot be read: what was done can no longer be told.
        touched: it may have changed something that was not taken back.
    """

    command: str
    number: int
    damaged: bool = False
    touched: bool = True

    @classmethod
    def from_words(cls, words: str) -> OpenRun | None:
        """The run that a status names, as "promote 12" or "promote 12, damaged"; None where it names none."""
        name, _, rest = words.partition(", ")
        command, _, number = name.partition(" ")
        return cls(command, int(number) if number.isdecimal() else 0, damaged=rest == "damaged") if command else None

    def __str__(self) -> str:
        return f"{self.command} {self.number}" + (", damaged" if self.damaged else "")


@dataclass(frozen=True, slots=True)
class Files:
    """The primary files of this machine.

    Attributes:
        generation: name of the newest primary generation on disk; empty where there is none.
        age_s: seconds since it was rendered.
        of_this_pair: it was rendered from the pair.toml that serves.
        blockers: what stops its activation.
        errors: what else must be mended in this machine's own files.
        warnings: what is worth mending.
    """

    generation: str = ""
    age_s: float = 0.0
    of_this_pair: bool = True
    blockers: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NamedFacts:
    """The BIND of this machine.

    Attributes:
        block: what named.conf says of the zone; None where it has no such zone, or could not be read.
        unread: why it could not be read.
        views: the zone stands in several views, and nothing says which is meant; empty where that is clear.
        running_type: what the running named says that it is for the zone: primary, secondary, …; empty where unknown.
        running_words: its answer, or why there is none.
        user: whom it runs as; empty where it does not run.
        unreadable: paths of ours that this user may not read, by their permission bits.
        apparmor: whether a profile confines it: enforce, complain, or empty.
        apparmor_allows: whether that profile lets it read our directory.
    """

    block: ZoneStatement | None = None
    unread: str = ""
    views: str = ""
    running_type: str = ""
    running_words: str = ""
    user: str = ""
    unreadable: tuple[str, ...] = ()
    apparmor: str = ""
    apparmor_allows: bool = True


@dataclass(frozen=True, slots=True)
class AsteriskFiles:
    """What this machine's Asterisk configuration says.

    Attributes:
        sip_general: [general] of sip.conf; None where there is no such file.
        manager_user: our section of manager.conf; None where it cannot be read or has none.
        manager_general: [general] of manager.conf; None where there is no such file.
        manager_refused: why a login beside those that are running is refused; empty where it is not, or was not tried.
        registrations: PJSIP registrations of the newest primary generation, by name.
        swapped_types: types of objects in that file that both roles should load.
    """

    sip_general: Settings | None = None
    manager_user: Settings | None = None
    manager_general: Settings | None = None
    manager_refused: str = ""
    registrations: Mapping[str, Settings] = field(default_factory=dict)
    swapped_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProofParts:
    """What the running Asterisk has of what the call of [proof] needs.

    Attributes:
        unseen: why it could not be asked; empty where it was.
        context: it has read the contexts that are rendered for it.
        called: some context leads an inbound call there.
        missing: modules that are not loaded.
    """

    unseen: str = ""
    context: bool = False
    called: bool = False
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Guards:
    """What keeps a machine that starts from being a second primary.

    Attributes:
        systemd: whether this machine is run by systemd at all.
        guard_enabled: hotstandby-boot-guard.service is enabled.
        drop_in: asterisk.service has our drop-in.
        safe_asterisk: Asterisk is kept by safe_asterisk, which knows no drop-in.
    """

    systemd: bool
    guard_enabled: bool
    drop_in: bool
    safe_asterisk: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is so at one moment, as this machine sees it.

    Attributes:
        pair, machine: which.
        depth: how much was looked at; what belongs to a greater depth is empty.
        command: what is to be done: promote or switchover.
        word: a person's, that the peer is down; empty without one.
        now: wall clock of this machine.

    At every depth:
        evidence: the peer, the name servers, this machine's Asterisk, the clocks.
        is_primary: this machine is, by its own files.
        epoch: the highest promotion that this machine's files tell.
        right_epoch: of the right that it holds; 0 for none, and for a person's word.
        open_run: a run that is not complete.
        files: its primary files.
        sync_age_s: since the last sync ended; None where it is not known, which speaks against nothing.

    For `ready`:
        warning: why pair.toml does not serve as it is; empty where it does.
        fenced: why Asterisk must not start.
        paused: the pause that holds, in words.
        free_bytes: left on the disk of the journal.
        secrets: what is wrong with secrets.
        compared: how the peer's secrets compare with ours.
        proven: trunk -> when its present password registered last from here, unix seconds.
        carriers: trunk -> whether its carrier answers this machine (OPTIONS, POKE), by asking and never by dialling.
        zone_obstacle: what would keep this machine from changing the zone; empty where nothing does.
        domino: whether each alias reaches this machine's own site.

    For `check`:
        localized: path of the localized directory.
        writable: files of ours and programs of the admin's that others may write, a sentence each.
        asterisk: its configuration.
        proof: what its Asterisk has for the call of [proof]; None where pair.toml has none.
        gate: what its running dialplan does with calls by address; None where pair.toml has none to refuse.
        named: its BIND; None where pair.toml has no [dns].
        dns_role: of the active DNS generation.
        ttls: seconds that name servers give with the followed names, by name.
        tsig_algorithm: of the key; empty where there is none that can be used.
        tsig_problem: why.
        keys: name server -> what it says to our key; those that do not answer are left out.
        guards: see there.
    """

    pair: Pair
    machine: str
    depth: Depth
    command: str = "promote"
    word: str = ""
    now: datetime

    evidence: Evidence
    is_primary: bool = False
    epoch: int = 0
    right_epoch: int = 0
    open_run: OpenRun | None = None
    files: Files = Files()
    sync_age_s: float | None = None

    warning: str = ""
    fenced: str = ""
    paused: str = ""
    free_bytes: int = 0
    secrets: tuple[str, ...] = ()
    compared: SecretsComparison = field(default_factory=SecretsComparison)
    proven: Mapping[str, float] = field(default_factory=dict)
    carriers: Mapping[str, ProbeResult] = field(default_factory=dict)
    zone_obstacle: str = ""
    domino: tuple[ProofResult, ...] = ()

    localized: str = ""
    writable: tuple[str, ...] = ()
    asterisk: AsteriskFiles = AsteriskFiles()
    proof: ProofParts | None = None
    gate: DialplanGate | None = None
    named: NamedFacts | None = None
    dns_role: str = "unknown"
    ttls: Mapping[str, int] = field(default_factory=dict)
    tsig_algorithm: str = ""
    tsig_problem: str = ""
    keys: Mapping[str, KeyAnswer] = field(default_factory=dict)
    guards: Guards = Guards(True, True, True, False)

    @property
    def peer(self) -> str:
        """The other machine's name."""
        return self.pair.peer_of(self.machine)

    @property
    def peer_status(self) -> PeerStatus | None:
        """What the peer says of itself; None where it could not be asked."""
        return self.evidence.peer.status

    @property
    def answers(self) -> tuple[RoleAnswer, ...]:
        """What each name server says of who is primary."""
        return tuple(one.said for one in self.evidence.servers)

    @property
    def trunks(self) -> Mapping[str, Trunk]:
        """This machine's trunks."""
        return {name: self.pair.trunk_on(name, self.machine) for name in self.pair.trunks}

    @property
    def counted(self) -> Believed:
        """The last promotion, as far as it is believed: by our own files, the name servers and the peer."""
        told = epochs_told(self.answers)
        if self.peer_status is not None:
            # Its word over ssh, and not that of its name server: the two are one witness.
            told[self.peer] = self.peer_status.epoch
        return believed(told, self.epoch)

    @property
    def public(self) -> PublicRole | None:
        """Who is primary, as the name servers that are believed say."""
        return newest(self.answers, leaving_out=self.counted.left_out)

    @property
    def serves(self) -> bool:
        """Our own files say that this machine is primary, and no public record says otherwise.

        Then a promotion takes nothing from anybody: it completes what is missing.
        """
        if not self.is_primary or self.pair.dns is None:
            return self.is_primary
        public = self.public
        if public is not None and public.machine == self.machine:
            return True
        # The zone tells of an earlier promotion: what is missing of this one is the zone.
        return self.right_epoch > (public.epoch if public is not None else 0)
