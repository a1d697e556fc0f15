"""`render-localized`: arguments in, lines out."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from host.collector import make_collection_rare
from host.console_command import ConsoleCommand, config_option
from host.places import Places
from localized import check, report
from localized.activation import activate as activation
from localized.activation import cleanup, right
from localized.errors import NoRight, NotActivatable
from localized.generations.lock import directory_lock
from localized.generations.rollback import Rollback
from localized.generations.store import GenerationStore
from localized.prepare import PreparedGeneration, prepare
from localized.role import Role
from pair import Pair, active, read, this_machine

_EXAMPLES: Final = """
\b
Examples:
  render-localized --check                       is everything as it must be on this machine?
  render-localized --role standby --diff         what would change, secrets masked
  render-localized --role standby --activate     become standby, and see it proven
  render-localized --role primary --activate --peer-is-down "boston is without power, Ann saw it"
\b
Exit codes:
  0 done
  1 failed, and nothing is left half done; or a required trunk is missing
  2 wrong usage or configuration
  3 refused, because it is unsafe; with the evidence
  4 stopped half-way; the same command completes it
  5 done, and something that is not required is missing
"""


@click.command(cls=ConsoleCommand, epilog=_EXAMPLES)
@click.option("--role", type=click.Choice(["primary", "standby"]), help="The role to render this machine for.")
@click.option("--activate", is_flag=True, help="Swap to it, reload what changed, and wait until Asterisk shows it.")
@click.option("--check", "check_", is_flag=True, help="Validate only: pair.toml, templates, this machine's files.")
@click.option("--diff", is_flag=True, help="Show what would change against the active generation.")
@click.option("--reload", "reload_", is_flag=True, help="Reload what is active, and verify it; for reload hooks.")
@click.option("--rollback", is_flag=True, help="Swap to the previous generation, reload, and verify.")
@click.option("--peer-is-down", metavar="REASON", help="Your word that the peer is down, as the right to be primary.")
@click.option("--last-valid", is_flag=True, help="With --activate: the newest one on disk, without rendering.")
@click.option("--without-asterisk", is_flag=True, help="Swap alone: Asterisk is known not to run (at boot).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@config_option
@click.option("--hosts-file", type=click.Path(path_type=Path), default=Path("/etc/hosts"), hidden=True)
def command(
    role: str | None,
    activate: bool,
    check_: bool,
    diff: bool,
    reload_: bool,
    rollback: bool,
    peer_is_down: str | None,
    last_valid: bool,
    without_asterisk: bool,
    as_json: bool,
    config: Path | None,
    hosts_file: Path,
) -> None:
    """Render what differs on this machine: Asterisk includes, BIND zones, the hosts block, its checklist.

    Without --activate the generation is put on disk and nothing that runs is touched.
    """
    modes = [
        name
        for name, given in (
            ("--activate", activate),
            ("--check", check_),
            ("--diff", diff),
            ("--reload", reload_),
            ("--rollback", rollback),
        )
        if given
    ]
    if len(modes) > 1:
        raise click.UsageError(f"{' and '.join(modes)} exclude each other.")
    if role is None and not (check_ or diff or reload_ or rollback):
        raise click.UsageError("Say --role primary or --role standby.")
    if role is not None and (reload_ or rollback):
        raise click.UsageError(f"{modes[0]} takes the role from what is on disk; leave --role out.")
    for option, given, allowed in (
        ("--peer-is-down", peer_is_down is not None, ("--activate", "--rollback", "--reload")),
        ("--without-asterisk", without_asterisk, ("--activate", "--rollback")),
        ("--last-valid", last_valid, ("--activate",)),
    ):
        if given and not set(modes) & set(allowed):
            raise click.UsageError(f"{option} goes with {' or '.join(allowed)}; alone it would do nothing.")
    if peer_is_down is not None and not peer_is_down.strip():
        raise click.UsageError("--peer-is-down wants what you know of the peer, in words.")
    places = Places.standard(config)
    wanted = Role(role) if role is not None else None
    if check_:
        sys.exit(_check(places, wanted, as_json, hosts_file))
    if diff:
        sys.exit(_diff(places, wanted, as_json))
    work = _Work(places, hosts_file, as_json, without_asterisk, peer_is_down)
    if reload_:
        sys.exit(work.reload())
    if rollback:
        sys.exit(work.rollback())
    assert wanted is not None
    if not activate:
        sys.exit(work.render(wanted))
    sys.exit(work.activate(wanted, last_valid=last_valid))


class _Work:
    """What changes something: under the lock, as root, with the pair.toml that serves."""

    def __init__(
        self, places: Places, hosts_file: Path, as_json: bool, without_asterisk: bool, word: str | None
    ) -> None:
        self.places = places
        self.hosts_file = hosts_file
        self.as_json = as_json
        self.asterisk = not without_asterisk
        self.word = word

    def _begin(self) -> tuple[Pair, str]:
        serving = active(self.places)
        if serving.warning is not None:
            report.warn(serving.warning)
        return serving.pair, this_machine(self.places, serving.pair)

    def _locked(self, purpose: str, work: Callable[[], int]) -> int:
        with directory_lock(self.places, f"render-localized {purpose}"):
            cleanup.clear(self.places, self.hosts_file)
            return work()

    def render(self, role: Role) -> int:
        """Both roles on disk; nothing is swapped."""

        def work() -> int:
            pair, machine = self._begin()
            prepared = prepare(self.places, pair, machine, role)
            active = GenerationStore(self.places).pointed_to("current") == prepared.generation
            return report.rendered(prepared, machine, self.as_json, active=active)

        return self._locked(f"--role {role.value}", work)

    def activate(self, role: Role, *, last_valid: bool) -> int:
        """The right first, then everything that can be known beforehand, then the swap."""

        def work() -> int:
            pair, machine = self._begin()
            self._prove_right(role, machine)
            self._refuse_if_overtaken(role, pair, machine)
            prepared = self._on_disk(role) if last_valid else prepare(self.places, pair, machine, role)
            return self._swap(pair, machine, prepared)

        return self._locked(f"--role {role.value} --activate", work)

    def rollback(self) -> int:
        """To the generation that was active before."""

        def work() -> int:
            pair, machine = self._begin()
            back = Rollback(self.places)
            before = back.target()
            self._prove_right(before.role, machine)
            self._refuse_if_overtaken(before.role, pair, machine)
            back.begin(before)
            return self._swap(pair, machine, PreparedGeneration(before, ()))

        return self._locked("--rollback", work)

    def reload(self) -> int:
        """What is active, again."""

        def work() -> int:
            pair, machine = self._begin()
            now = GenerationStore(self.places).pointed_to("current")
            if now is not None:
                self._prove_right(now.role, machine)
            with report.progress(self.as_json) as told:
                outcome = activation.reload_active(self.places, pair, machine, progress=told)
            return report.activated(outcome, self.as_json)

        return self._locked("--reload", work)

    def _prove_right(self, role: Role, machine: str) -> None:
        if role is not Role.PRIMARY:
            return
        if self.word is not None:
            right.log_word(self.places, machine, self.word)
            right.give_word(self.places, machine, self.word)
            return
        right.prove(self.places, machine)

    def _refuse_if_overtaken(self, role: Role, pair: Pair, machine: str) -> None:
        """A right that a promotion gave ends, for whoever asks anew, when the other machine was promoted later.

        Raises:
            NoRight
        """
        if role is not Role.PRIMARY or self.word is not None:
            return
        from ami_watcher.other_machine import OTHER_MACHINE_UNSEEN, query_public_roles, read_other_machine  # dnspython

        other = pair.peer_of(machine)
        seen = read_other_machine(self.places, machine, other, OTHER_MACHINE_UNSEEN)
        if seen.own_epoch:
            seen = replace(seen, roles=query_public_roles(pair, machine))
        if words := seen.overtaken(machine, other, time.time()):
            raise NoRight(
                f"REFUSED: {words} Two machines that register on one account take each other's calls.\nType one of:\n"
                "  failover demote\n"
                f'  render-localized --role primary --activate --peer-is-down "what you know of {other}"'
            )

    def _on_disk(self, role: Role) -> PreparedGeneration:
        found = GenerationStore(self.places).newest(role)
        if found is None:
            raise NotActivatable(
                f"No generation for {role.value} is on disk yet. Leave --last-valid out, so that one is rendered."
            )
        return PreparedGeneration(found, ())

    def _swap(self, pair: Pair, machine: str, prepared: PreparedGeneration) -> int:
        with report.progress(self.as_json) as told:
            outcome = activation.activate(
                self.places,
                pair,
                machine,
                prepared,
                asterisk=self.asterisk,
                hosts_file=self.hosts_file,
                progress=told,
            )
        return report.activated(outcome, self.as_json)


def _check(places: Places, role: Role | None, as_json: bool, hosts_file: Path) -> int:
    pair = read(places)
    machine = this_machine(places, pair)
    return report.checked(check.check(places, pair, machine, role, hosts_file=hosts_file), machine, as_json)


def _diff(places: Places, role: Role | None, as_json: bool) -> int:
    serving = active(places)
    if serving.warning is not None:
        report.warn(serving.warning)
    machine = this_machine(places, serving.pair)
    wanted = role or check.role_now(places)
    return report.differs(check.differences(places, serving.pair, machine, wanted), machine, wanted, as_json)


def main() -> None:
    """The console script."""
    make_collection_rare()
    command()


if __name__ == "__main__":
    main()
