"""`failover history`."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.table import Table

from failover.context import Context, as_json, with_context
from failover.journal import journal
from failover.journal.entry import JournalDamaged, JournalEntry
from failover.journal.journal import RunFile
from failover.journal.run import Run, load
from host.exits import Exit
from host.printable import harmless, printable
from host.terminal import console


@click.command("history", epilog="Example: failover history 7")
@click.argument("number", type=int, required=False)
@as_json
@with_context
def command(context: Context, number: int | None, as_json: bool) -> None:
    """List the runs of this machine, or show one as a timeline with durations."""
    where = journal.directory(context.places)
    if number is not None:
        run = load(journal.numbered(where, number))
        if run is None:
            click.echo(harmless(f"Run {number} ended before it wrote anything: nothing was touched."))
            return
        click.echo(json.dumps(_timeline_document(run), indent=2)) if as_json else _timeline(run)
        return
    runs = [(file, _loaded(file)) for file in journal.files(where)]
    if as_json:
        click.echo(json.dumps([_document(file, run) for file, run in runs], indent=2))
    else:
        _list(runs)
    if any(isinstance(run, str) for _, run in runs):
        raise SystemExit(int(Exit.FAILED))


def _loaded(file: RunFile) -> Run | str | None:
    try:
        return load(file)
    except JournalDamaged as error:
        return str(error)


def _list(runs: list[tuple[RunFile, Run | str | None]]) -> None:
    out = console()
    if not runs:
        out.print("Nothing was promoted or demoted on this machine yet.")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("run", "began", "command", "epoch", "seconds", "result"):
        table.add_column(name, overflow="fold", justify="right" if name in ("run", "seconds", "epoch") else "left")
    for file, run in runs:
        if isinstance(run, Run):
            began = run.opened.wall[:19].replace("T", " ")
            epoch, seconds = str(run.epoch), _seconds(run.opened.boottime, run.last.boottime)
            table.add_row(str(run.number), began, run.command, epoch, seconds, printable(_result(run), 300))
        else:
            told = "ended before it wrote anything" if run is None else f"DAMAGED: {run}"
            table.add_row(str(file.number), "", file.command, "", "", printable(told, 400))
    out.print(table)
    waiting = [step.name for _, run in runs[-1:] if isinstance(run, Run) for step in run.waiting]
    opened = [run for _, run in runs[-1:] if isinstance(run, Run) and not run.closed]
    if opened:
        out.print(f"next     failover {opened[0].command}, which completes it or takes it back")
    elif waiting:
        out.print(f"next     {waiting[0]} waits: failover history {runs[-1][0].number}")
    else:
        out.print("next     nothing to do")


def _timeline(run: Run) -> None:
    out = console()
    out.print(f"run {run.number}: {run.command} of {run.machine}, epoch {run.epoch}, {printable(_result(run), 300)}")
    table = Table(box=None, pad_edge=False)
    table.add_column("time")
    table.add_column("after", justify="right")
    for name in ("step", "what", "words"):
        table.add_column(name, overflow="fold")
    before: JournalEntry | None = None
    for entry in run.entries:
        passed = _seconds(before.stamp.boottime, entry.stamp.boottime) if _same_boot(before, entry) and before else "-"
        words = printable(entry.words, 600)
        table.add_row(entry.stamp.wall[11:23], passed, entry.step, entry.kind.value, words)
        before = entry
    out.print(table)
    if run.torn:
        out.print(f"A crash cut the last line short ({run.torn} bytes); what it announced had not begun.")


def _result(run: Run) -> str:
    if run.closed:
        return run.closing
    steps = ", ".join(f"{step.name} {step.progress.value}" for step in run.steps)
    return f"OPEN: {steps or 'nothing begun'}"


def _same_boot(before: JournalEntry | None, entry: JournalEntry) -> bool:
    return before is not None and before.stamp.boot_id == entry.stamp.boot_id


def _seconds(start: float, end: float) -> str:
    return f"{end - start:.2f}" if end >= start else "-"


def _document(file: RunFile, run: Run | str | None) -> dict[str, Any]:
    found: dict[str, Any] = {"run": file.number, "command": file.command}
    if run is None:
        return {**found, "result": "nothing was written"}
    if isinstance(run, str):
        return {**found, "damaged": run}
    return {
        **found,
        "machine": run.machine,
        "epoch": run.epoch,
        "began": run.opened.wall,
        "open": not run.closed,
        "result": _result(run),
        "steps": {step.name: step.progress.value for step in run.steps},
        "waiting": [step.name for step in run.waiting],
    }


def _timeline_document(run: Run) -> dict[str, Any]:
    return {
        "run": run.number,
        "command": run.command,
        "machine": run.machine,
        "epoch": run.epoch,
        "closed": run.closing,
        "facts": dict(run.facts),
        "torn": run.torn,
        "lines": [
            {
                "wall": entry.stamp.wall,
                "boottime": entry.stamp.boottime,
                "step": entry.step,
                "kind": entry.kind.value,
                "words": entry.words,
            }
            for entry in run.entries
        ],
    }
