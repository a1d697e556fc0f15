"""What would keep Asterisk from registering, from obeying, or from telling us."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from failover.checks.check import Finding, FindingLevel, Lifted, Refusal
from failover.facts.facts import Facts
from host.durations import lasting

LONGEST_EXPIRY_S: Final = 300
"""A dead machine's binding takes the calls for so long."""
WRITE_TIMEOUT_MS: Final = 1000
"""manager.conf's default is 100 ms, after which Asterisk drops a client that reads slowly (main/manager.c)."""
_NO: Final = frozenset({"", "0", "no", "false", "n", "f", "off"})


def expiry(facts: Facts) -> Iterator[Finding]:
    """Bindings at the carrier end soon after their machine."""
    for name in facts.pair.trunks:
        trunk = facts.pair.trunk_on(name, facts.machine)
        if trunk.register_ and trunk.account == "shared" and trunk.expiry_s > LONGEST_EXPIRY_S:
            yield Finding(
                FindingLevel.WARNING,
                f"trunks.{name}.expiry_s is {trunk.expiry_s} s: for so long after {facts.machine} dies, the carrier "
                "may send its calls there.",
                f"Write expiry_s = 120, or anything up to {LONGEST_EXPIRY_S}; ask the carrier what it grants.",
            )


def can_serve(facts: Facts) -> Iterator[Finding]:
    """This machine's Asterisk answers, has what registers, and its disk takes what a promotion writes.

    What serves now is not taken down for a machine that cannot; where nothing serves there is nothing to lose.
    """
    own, status, peer = facts.evidence.own, facts.peer_status, facts.peer
    look = "systemctl status asterisk"
    if not own.obstacles:
        if own.pbx.listed:
            calls = f", {own.pbx.calls} calls" if own.pbx.calls else ""
            yield Finding(FindingLevel.GOOD, f"{own.pbx.words}{calls}")
        else:
            yield Finding(FindingLevel.BLOCKER, own.pbx.words, look)
        return
    who = ""
    if status is not None and status.serves:
        who = f"{peer} does"
    elif status is None and facts.pair.fence is not None and not facts.word and facts.evidence.peer_may_live:
        who = f"{peer}, which may, would be cut off"
    listed = "\n".join(f"  {one}" for one in own.obstacles)
    words = f"{facts.machine} could not serve, and {who}:\n{listed}\nMend that, then type the same again"
    refusal = Refusal("cannot-serve", Lifted.BY_NOTHING, words) if who and not facts.serves else None
    for text in own.lacks:
        yield Finding(FindingLevel.BLOCKER, text, look, refusal=refusal)
        refusal = None
    for text in own.unwritable:
        yield Finding(FindingLevel.BLOCKER, text, "df -h; mount", item="disk", refusal=refusal)
        refusal = None


def files(facts: Facts) -> Iterator[Finding]:
    """The primary files can be activated, and are those of the pair.toml that serves."""
    found = facts.files
    render = "render-localized --role primary"
    if not found.generation:
        yield Finding(FindingLevel.WARNING, "No primary generation is on disk; a promotion would render one", render)
    elif not found.of_this_pair:
        words = f"{found.generation} was rendered from an earlier pair.toml"
        yield Finding(FindingLevel.WARNING, words, render, age_s=found.age_s)
    else:
        yield Finding(FindingLevel.GOOD, f"{found.generation}, rendered {lasting(found.age_s)} ago", age_s=found.age_s)
    check = "render-localized --check"
    listed = "\n".join(f"  {one}" for one in found.blockers)
    words = f"The primary files of {facts.machine} cannot be activated:\n{listed}\nSee: {check}"
    for number, text in enumerate(found.blockers):
        # One refusal names all of them.
        refusal = Refusal("generation", Lifted.BY_NOTHING, words) if number == 0 else None
        yield Finding(FindingLevel.BLOCKER, text, check, refusal=refusal)
    for text in found.errors:
        yield Finding(FindingLevel.BLOCKER, text, check)


def advice(facts: Facts) -> Iterator[Finding]:
    """What is worth mending in this machine's own files."""
    for text in facts.files.warnings:
        yield Finding(FindingLevel.WARNING, text, "Then look again with: render-localized --check")


def auth_in_swapped_file(facts: Facts) -> Iterator[Finding]:
    """PJSIP's credentials stay loaded when its registrations are swapped out."""
    extra = sorted(set(facts.asterisk.swapped_types) - {"registration"})
    if extra:
        yield Finding(
            FindingLevel.ERROR,
            f"pjsip-registrations.conf, which is swapped, holds type = {', '.join(extra)}. Without its credentials the "
            "un-REGISTER of a machine that becomes standby is answered 401, and its binding stays at the carrier.",
            "Keep type = registration alone in templates/asterisk/pjsip-registrations.conf.j2; the others belong into "
            "pjsip-auth.conf, which both roles load.",
        )


def gives_up(facts: Facts) -> Iterator[Finding]:
    """No registration is ever given up for good."""
    for name, settings in sorted(facts.asterisk.registrations.items()):
        wrong = []
        if _number(settings.get("max_retries", "10")) < 10_000:
            wrong.append("max_retries = 1000000")
        for key in ("forbidden_retry_interval", "fatal_retry_interval"):
            if _number(settings.get(key, "0")) == 0:
                wrong.append(f"{key} = 30")
        if settings.get("auth_rejection_permanent", "yes").lower() not in _NO:
            wrong.append("auth_rejection_permanent = no")
        if wrong:
            yield Finding(
                FindingLevel.ERROR,
                f"PJSIP gives up {name} for good: after ten retries, or at once when the carrier refuses it, as it "
                "does while the other machine's binding lives.",
                f"In its registration, write: {'; '.join(wrong)}",
            )
    general = facts.asterisk.sip_general
    if general is None or not _uses(facts, "sip"):
        return
    if _number(general.get("registerattempts", "0")) > 0:
        yield Finding(
            FindingLevel.ERROR,
            f"sip.conf: registerattempts = {general['registerattempts']}: chan_sip gives up for good after so many.",
            "In [general], write: registerattempts = 0",
        )
    if general.get("register_retry_403", "no").lower() in _NO:
        yield Finding(
            FindingLevel.WARNING,
            "sip.conf: register_retry_403 is not set: one 403, as a carrier sends while the other machine's binding "
            "lives, ends chan_sip's attempts until the next reload. ami-watcher registers it again; else nobody "
            "does.",
            "In [general], write: register_retry_403 = yes",
        )


def manager(facts: Facts) -> Iterator[Finding]:
    """Our AMI user is there, and is not dropped for reading slowly."""
    ami = facts.pair.asterisk_on(facts.machine).ami
    user = facts.asterisk.manager_user
    if user is None:
        yield Finding(
            FindingLevel.UNSEEN if ami.host not in {"127.0.0.1", "::1", "localhost"} else FindingLevel.ERROR,
            f"manager.conf has no user [{ami.username}] that can be read here: nothing could be verified by AMI.",
            f"Write [{ami.username}] with: secret, read = system, write = system,reporting, writetimeout = 5000",
        )
        return
    general = facts.asterisk.manager_general or {}
    if facts.asterisk.manager_general is not None and general.get("enabled", "no").lower() in _NO:
        yield Finding(
            FindingLevel.ERROR,
            f"manager.conf, [general]: enabled = {general.get('enabled', 'no (the default)')}: nobody gets in.",
            "Write: enabled = yes, then: asterisk -rx 'manager reload'",
        )
    # A user's own setting counts before that of [general] (main/manager.c, __init_manager).
    several = user.get("allowmultiplelogin", general.get("allowmultiplelogin", "yes"))
    if several.lower() in _NO:
        yield Finding(
            FindingLevel.ERROR,
            f"manager.conf: allowmultiplelogin = {several}: ami-watcher holds the one login of [{ami.username}], and a "
            "promotion, which needs another, is refused.",
            f"Write allowmultiplelogin = yes in [{ami.username}], or in [general] where this Asterisk does not know it "
            "there; then: asterisk -rx 'manager reload'",
        )
    for key, needed in (("read", {"system"}), ("write", {"system", "reporting"})):
        classes = {one.strip().lower() for one in user.get(key, "").split(",")}
        if missing := sorted(needed - classes) if "all" not in classes else []:
            yield Finding(
                FindingLevel.ERROR,
                f"manager.conf, [{ami.username}]: {key} = {user.get(key, 'nothing')} lacks {', '.join(missing)}: "
                f"{'changes are not told' if key == 'read' else 'lists and reloads are refused'}.",
                f"Write: {key} = {','.join(sorted(needed))}, then: asterisk -rx 'manager reload'",
            )
    if facts.asterisk.manager_refused:
        yield Finding(
            FindingLevel.ERROR,
            f"A login beside those that are running is refused: {facts.asterisk.manager_refused}",
            "Mend manager.conf, then: asterisk -rx 'manager reload'; and look again with: failover check",
        )
    if _number(user.get("writetimeout", "100")) < WRITE_TIMEOUT_MS:
        yield Finding(
            FindingLevel.WARNING,
            f"manager.conf, [{ami.username}]: writetimeout is {user.get('writetimeout', '100 (the default)')} ms: "
            "Asterisk drops us in the middle of a long list when this machine is busy, as it is in a promotion.",
            "Write: writetimeout = 5000, then: asterisk -rx 'manager reload'",
        )


def proof(facts: Facts) -> Iterator[Finding]:
    """The call of [proof] can come in again, and Asterisk has what places and measures it."""
    parts, wanted = facts.proof, facts.pair.proof
    if parts is None or wanted is None:
        return
    if parts.unseen:
        yield Finding(
            FindingLevel.UNSEEN,
            f"Whether the call of [proof] can work is not seen: {parts.unseen}",
            "Then look again with: failover check",
        )
        return
    if not parts.context:
        yield Finding(
            FindingLevel.WARNING,
            "[proof] is configured, and Asterisk has no context hotstandby-proof: no call can be placed, and every "
            "promotion ends degraded.",
            "Include role.conf as the last line of [globals] in extensions.conf; then: render-localized --check",
        )
    elif wanted.answer == "comes_back" and not parts.called:
        yield Finding(
            FindingLevel.WARNING,
            f"[proof] calls {wanted.number}, and no context of the dialplan leads to hotstandby-proof: the call would "
            "be answered as any other, and every promotion ends degraded.",
            "Begin the inbound context of that number with: exten => _X.,1,Gosub(hotstandby-proof,s,1), then: "
            "asterisk -rx 'dialplan reload'",
        )
    if parts.missing:
        commands = "; ".join(f"asterisk -rx 'module load {module}.so'" for module in parts.missing)
        yield Finding(
            FindingLevel.WARNING,
            f"[proof] is configured, and Asterisk has not loaded {', '.join(parts.missing)}: no call can be placed.",
            f"Type: {commands}; and load them in modules.conf, for the next start",
        )


def gate(facts: Facts) -> Iterator[Finding]:
    """Calls by address are refused by a standby, in the dialplan that runs."""
    found = facts.gate
    if found is None:
        return
    if found.unseen:
        yield Finding(
            FindingLevel.UNSEEN,
            f"Whether this machine refuses calls by address as standby is not seen: {found.unseen}",
            "Then look again with: failover check",
        )
        return
    if not found.role:
        yield Finding(
            FindingLevel.ERROR,
            "Asterisk has no context hotstandby-gate loaded: as standby this machine answers every call by address.",
            "Include role.conf as the last line of [globals] in extensions.conf, then: asterisk -rx 'dialplan reload'",
        )
        return
    for name in facts.pair.trunks:
        trunk = facts.pair.trunk_on(name, facts.machine)
        if not trunk.register_ and trunk.when_standby == "refuse" and not found.refuses(name):
            yield Finding(
                FindingLevel.ERROR,
                f"{name} reaches us by address, and no line of the running dialplan asks the gate for it before "
                "something takes the call: as standby this machine answers, and the carrier never tries the other one.",
                f"Begin its inbound context with: exten => _X.,1,Gosub(hotstandby-gate,s,1({name})), then: "
                "asterisk -rx 'dialplan reload'; or say when_standby = \"answer\"",
            )


def _uses(facts: Facts, channel: str) -> bool:
    trunks = (facts.pair.trunk_on(name, facts.machine) for name in facts.pair.trunks)
    return any(trunk.register_ and trunk.channel == channel for trunk in trunks)


def _number(text: str) -> int:
    return int(text) if text.strip().isascii() and text.strip().isdigit() else 0
