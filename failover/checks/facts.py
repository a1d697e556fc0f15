"""Everything that the rules of the lint look at, as one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from failover.bind.named_conf import ZoneStatement
from failover.peer.messages import PeerStatus
from failover.peer.secrets import SecretsComparison
from failover.probes.dialplan_gate import DialplanGate
from pair import Pair

Settings = Mapping[str, str]
"""Options of one section of a configuration file, names in lower case."""


@dataclass(frozen=True, slots=True)
class Named:
    """The BIND of this machine.

    Attributes:
        block: what named.conf says of the zone; None where it has no such zone, or could not be read.
        unread: why it could not be read.
        views: the zone stands in several views, and nothing says which is meant; empty where that is clear.
        obstacle: what would keep this machine from changing the zone.
        running_type: what the running named says that it is for the zone: primary, secondary, …; empty where unknown.
        running_words: its answer, or why there is none.
        running_files: the zone's file, as the running named says.
        user: whom it runs as; empty where it does not run.
        unreadable: paths of ours that this user may not read, by their permission bits.
        apparmor: whether a profile confines it: enforce, complain, or empty.
        apparmor_allows: whether that profile lets it read our directory.
    """

    block: ZoneStatement | None = None
    unread: str = ""
    views: str = ""
    obstacle: str = ""
    running_type: str = ""
    running_words: str = ""
    running_files: tuple[str, ...] = ()
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
        wiring: what render-localized --check finds that stops an activation.
        advice: what it finds besides.
    """

    sip_general: Settings | None = None
    manager_user: Settings | None = None
    manager_general: Settings | None = None
    manager_refused: str = ""
    registrations: Mapping[str, Settings] = field(default_factory=dict)
    swapped_types: tuple[str, ...] = ()
    wiring: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()


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


@dataclass(frozen=True, slots=True)
class Facts:
    """What is so on this machine at one moment.

    Attributes:
        pair, machine: which.
        localized: path of the localized directory.
        warning: why pair.toml does not serve as it is; empty where it does.
        secrets: what is wrong with secrets.
        writable: files of ours and programs of the admin's that others may write, a sentence each.
        asterisk: its files.
        proof: what its Asterisk has for the call of [proof]; None where pair.toml has none.
        gate: what its running dialplan does with calls by address; None where pair.toml has none to refuse.
        named: its BIND; None where pair.toml has no [dns].
        dns_role: of the active DNS generation.
        ttls: seconds that name servers give with the followed names, by name.
        tsig_algorithm: of the key; empty where there is none that can be used.
        tsig_problem: why.
        peer: its status; None where it could not be asked.
        peer_words: how asking went.
        compared: how its secrets compare with ours.
        published: name servers that tell who is primary.
        keys: name server -> what it says to our key; see lint.servers.
        clock_s: seconds by which the clocks surely differ.
        guards: see there.
        paused: the pause that holds, in words.
        fenced: why Asterisk must not start.
        open_run: a run that is not complete.
    """

    pair: Pair
    machine: str
    localized: str
    warning: str = ""
    secrets: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    asterisk: AsteriskFiles = AsteriskFiles()
    proof: ProofParts | None = None
    gate: DialplanGate | None = None
    named: Named | None = None
    dns_role: str = "unknown"
    ttls: Mapping[str, int] = field(default_factory=dict)
    tsig_algorithm: str = ""
    tsig_problem: str = ""
    peer: PeerStatus | None = None
    peer_words: str = ""
    compared: SecretsComparison = field(default_factory=SecretsComparison)
    published: tuple[str, ...] = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    clock_s: float = 0.0
    guards: Guards = Guards(True, True, True, False)
    paused: str = ""
    fenced: str = ""
    open_run: str = ""
