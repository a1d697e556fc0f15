"""What `render-localized` prints: for people within 100 columns, or one JSON object; its exit codes."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from host.exits import Exit
from host.printable import printable
from host.terminal import console
from localized.activation.comparison import TrunkComparison
from localized.activation.outcome import ActivationOutcome, Verification
from localized.activation.sentences import NOTHING_TO_DO, next_command, notes
from localized.check import FileDifference
from localized.checks.problem import ConfigProblem, Severity
from localized.prepare import PreparedGeneration
from localized.role import Role


def warn(text: str) -> None:
    """Says loudly what is not as it should be, and does not stop us."""
    _told(console(stderr=True), Text("WARNING: ", style="bold yellow"), text)


def _told(out: Console, label: Text, text: str) -> None:
    """A label, and text from outside with its own line breaks kept."""
    first, *more = text.split("\n")
    _print(out, label, first)
    for line in more:
        _print(out, Text(), line)


def _print(out: Console, label: Text, line: str, *, style: str = "") -> None:
    """One line, safe for a terminal; what is indented is to be typed or copied, and is never broken."""
    whole = label + Text(printable(line, 2000), style=style)
    out.print(whole, soft_wrap=line.startswith("    "))


@contextlib.contextmanager
def progress(as_json: bool) -> Iterator[Callable[[str], None]]:
    """Tells what is being waited for: in place on a terminal; elsewhere a line when it changes, at most every 2 s."""
    out = console(stderr=True)
    if as_json or not sys.stderr.isatty():
        last: list[Any] = ["", 0.0]

        def tell(text: str) -> None:
            now = time.monotonic()
            if not as_json and text != last[0] and now - last[1] >= 2.0:
                last[:] = [text, now]
                out.print(Text(f"… {printable(text)}", style="dim"))

        yield tell
        return
    with out.status("…") as status:
        started = time.monotonic()
        yield lambda text: status.update(f"{printable(text)} ({time.monotonic() - started:.0f} s)")


def rendered(prepared: PreparedGeneration, machine: str, as_json: bool, *, active: bool) -> int:
    """A generation that was put on disk, or found there; and whether it is the active one."""
    generation = prepared.generation
    stopping = [problem for problem in prepared.problems if problem.severity is not Severity.WARNING]
    activate = f"render-localized --role {generation.role.value} --activate"
    following = f"mend what is marked error, then: {activate}" if stopping else activate
    if active and not stopping:
        following = NOTHING_TO_DO
    if as_json:
        _json(
            {
                "exit": int(Exit.DONE),
                "machine": machine,
                "role": generation.role.value,
                "generation": generation.name,
                "active": active,
                "files": sorted(generation.files()),
                "problems": [_problem(problem) for problem in prepared.problems],
                "next": following,
            }
        )
        return int(Exit.DONE)
    out = console()
    word = "and active: nothing has changed" if active else "not active"
    out.print(Text.assemble((machine, "bold"), f" as {generation.role.value}: on disk, {word}  ", generation.name))
    table = Table(box=None, pad_edge=False, show_header=True, header_style="dim")
    for column in ("file", "bytes", "mode", "group", "reload"):
        table.add_column(column)
    for path, file in sorted(generation.files().items()):
        group = file["group"] if file["secret"] else "-"
        table.add_row(path, str(file["size"]), file["mode"], group, file["reload"] or "-")
    out.print(table)
    _problems(prepared.problems)
    out.print(Text.assemble(("next  ", "dim"), following))
    return int(Exit.DONE)


def activated(outcome: ActivationOutcome, as_json: bool) -> int:
    """What an activation came to."""
    if as_json:
        _json(_outcome(outcome))
        return int(outcome.exit)
    out = console()
    word, style = (
        _VERIFICATION[outcome.verification]
        if outcome.comparison is not None
        else ("active on disk alone", "bold yellow")
    )
    out.print(
        Text.assemble(
            (outcome.machine, "bold"),
            f" as {outcome.role.value}: ",
            (word, style),
            f" in {outcome.seconds:.1f} s  {outcome.generation}",
        )
    )
    if outcome.comparison is not None and outcome.comparison.rows:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("trunk", "channel", "account", "expected", "found"):
            table.add_column(column, overflow="fold")
        for row in outcome.comparison.rows:
            table.add_row(*_cells(row))
        out.print(table)
    for note in notes(outcome):
        _told(out, Text("! ", style="yellow"), note)
    out.print(Text.assemble(("next  ", "dim"), next_command(outcome)))
    return int(outcome.exit)


_VERIFICATION = {
    Verification.VERIFIED: ("active and verified", "bold green"),
    Verification.DEGRADED: ("active, DEGRADED", "bold yellow"),
    Verification.FAILED: ("activated, verification FAILED", "bold red"),
    None: ("active on disk alone", "bold yellow"),
}


def checked(problems: Sequence[ConfigProblem], machine: str, as_json: bool) -> int:
    """The result of --check."""
    stops = [problem for problem in problems if problem.severity is not Severity.WARNING]
    code = Exit.USAGE if stops else Exit.DONE
    warnings = len(problems) - len(stops)
    following = "mend what is marked error, then: render-localized --check" if stops else NOTHING_TO_DO
    if warnings and not stops:
        following = f"look at the warning{'s' if warnings > 1 else ''}; nothing has to be done"
    if as_json:
        _json(
            {
                "exit": int(code),
                "machine": machine,
                "problems": [_problem(problem) for problem in problems],
                "next": following,
            }
        )
        return int(code)
    out = console()
    counted = f"{len(stops)} to mend" if stops else "everything is as it must be"
    if warnings:
        counted += f"{', and' if stops else ', but for'} {warnings} warning{'s' if warnings > 1 else ''}"
    out.print(Text.assemble((machine, "bold"), ": ", (counted, "bold red" if stops else "bold green")))
    _problems(problems)
    out.print(Text.assemble(("next  ", "dim"), following))
    return int(code)


def differs(differences: Sequence[FileDifference], machine: str, role: Role, as_json: bool) -> int:
    """The result of --diff."""
    count = "1 file" if len(differences) == 1 else f"{len(differences)} files"
    changed = f"{count} would change" if differences else "nothing would change"
    following = f"render-localized --role {role.value} --activate" if differences else NOTHING_TO_DO
    if as_json:
        _json(
            {
                "exit": int(Exit.DONE),
                "machine": machine,
                "role": role.value,
                "changed": [
                    {"path": one.path, "diff": list(one.lines), "secret_changed": one.secret_changed}
                    for one in differences
                ],
                "next": following,
            }
        )
        return int(Exit.DONE)
    out = console()
    for one in differences:
        for line in one.lines:
            style = "bold" if line.startswith(("---", "+++")) else _DIFF_STYLE.get(line[:1], "")
            out.print(Text(printable(line, 2000), style=style), soft_wrap=True)
        if one.secret_changed:
            out.print(Text(f"{one.path}: a secret in it changes, which is not shown", style="yellow"))
    out.print(Text.assemble((machine, "bold"), f" as {role.value}: {changed}"))
    out.print(Text.assemble(("next  ", "dim"), following))
    return int(Exit.DONE)


_DIFF_STYLE = {"+": "green", "-": "red", "@": "cyan"}


def _problems(problems: Sequence[ConfigProblem]) -> None:
    out = console()
    for problem in problems:
        style = "yellow" if problem.severity is Severity.WARNING else "bold red"
        _told(out, Text(f"{problem.severity.word}: ", style=style), problem.text)


def _cells(row: TrunkComparison) -> tuple[Text, ...]:
    good = row.as_expected
    return (
        Text(row.wanted.trunk + (" *" if row.wanted.required else "")),
        Text(row.wanted.channel),
        Text(printable(f"{row.wanted.username}@{row.wanted.host}", 60)),
        Text("Registered" if row.wanted.here else "-"),
        Text(printable(row.state), style="green" if good else "bold red"),
    )


def _outcome(outcome: ActivationOutcome) -> dict[str, Any]:
    found = outcome.comparison
    return {
        "exit": int(outcome.exit),
        "machine": outcome.machine,
        "role": outcome.role.value,
        "generation": outcome.generation,
        "trunks": [
            {
                "trunk": row.wanted.trunk,
                "channel": row.wanted.channel,
                "required": row.wanted.required,
                "expected": "Registered" if row.wanted.here else None,
                "found": row.state if row.found else None,
                "ok": row.as_expected,
            }
            for row in (found.rows if found is not None else ())
        ],
        "foreign": [str(one) for one in (found.foreign if found is not None else ())],
        "reloaded": outcome.reloaded,
        "asked_again": outcome.asked_again,
        "notes": notes(outcome),
        "next": next_command(outcome),
        "seconds": round(outcome.seconds, 3),
    }


def _problem(problem: ConfigProblem) -> dict[str, str]:
    return {"weight": problem.severity.value, "text": problem.text}


def _json(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
