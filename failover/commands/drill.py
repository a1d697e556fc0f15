"""`failover drill`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.table import Table

from failover.context import Context, with_context
from failover.drill import drill
from failover.drill import report as drill_report
from failover.drill import store as drill_store
from failover.drill.report import Report
from failover.runner.progress_view import view
from host.printable import harmless, printable
from host.terminal import console


@click.command("drill", epilog="Examples:\n\n\b\n  failover drill --rehearse\n  failover drill --stay 300")
@click.option("--rehearse", is_flag=True, help="Everything short of changing live state, and what that proves.")
@click.option(
    "--stay", "stay_s", type=click.FloatRange(0, 86400), default=0.0, metavar="SECONDS", help="Between both ways."
)
@click.option("--yes", is_flag=True, help="Do not ask on a terminal.")
@click.option("--list", "listed", is_flag=True, help="The drills so far.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON, without progress.")
@click.option("--hosts-file", type=click.Path(path_type=Path), default=Path("/etc/hosts"), hidden=True)
@with_context
def command(
    context: Context, rehearse: bool, stay_s: float, yes: bool, listed: bool, as_json: bool, hosts_file: Path
) -> None:
    """Give the calls to the other machine and take them back, for real; measure each step, and keep a report.

    Both machines must be up and healthy. Calls that are under way go on; new ones may wait for the second or two in
    which the carriers learn who registers. Ends with 0, with 5 where something not required was missing, with 4 where
    the calls are not back where they were, and with 1 or 3 where nothing was moved.
    """
    if listed:
        _list(context, as_json=as_json)
        return
    if rehearse:
        from failover.drill.rehearsal import rehearse as rehearsed
        from failover.drill.rehearsal_view import show

        sys.exit(int(show(rehearsed(context), as_json=as_json)))
    out = console()
    if out.is_terminal and not yes and not as_json:
        click.confirm(f"Move the calls of {context.pair.name} to the other machine and back, now?", abort=True)
    tell = view(console(stderr=True) if as_json else out, as_json=False)
    report, file, trouble = drill.drill(context, stay_s=stay_s, hosts=hosts_file, tell=tell)
    before = drill_report.usual(
        drill_store.earlier(context.places)[:-1] if file else drill_store.earlier(context.places)
    )
    if as_json:
        click.echo(json.dumps(drill_report.document(report, before), indent=2))
    else:
        _print(report, before, file)
    if trouble:
        click.echo(harmless(f"WARNING: {trouble}"), err=True)
    sys.exit(int(report.exit))


def _print(report: Report, before: dict[tuple[str, str], drill_report.Usual], file: Path | None) -> None:
    out = console()
    if report.alarm:
        out.print(printable(report.alarm, 600), style="bold red", soft_wrap=True)
        out.print(f"         {printable(report.mend, 600)}", style="bold red", soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    for name in ("", "step", "seconds", "usually", "result"):
        table.add_column(name, justify="right" if name in ("seconds", "usually") else "left")
    for leg in report.legs:
        for number, one in enumerate(leg.steps):
            usually = before.get((leg.machine, one.step))
            mark = " slower" if drill_report.is_slower(one.seconds, usually) else ""
            table.add_row(
                f"to {leg.machine}" if number == 0 else "",
                one.step,
                f"{one.seconds:.1f}",
                f"{usually.median_s:.1f}" if usually else "-",
                one.progress + mark,
            )
        usually = before.get((leg.machine, ""))
        total = f"{usually.median_s:.1f}" if usually else "-"
        table.add_row("", "total", f"{leg.seconds:.1f}", total, f"the calls moved in {leg.moved_s:.1f} s")
    out.print(table)
    for note in report.notes:
        out.print(printable(note, 400), soft_wrap=True)
    out.print(f"drill {report.number}: {printable(report.sentence, 600)}", soft_wrap=True)
    if file is not None:
        out.print(f"report   {file}", soft_wrap=True)
    out.print(f"next     {report.next}", soft_wrap=True)


def _list(context: Context, *, as_json: bool) -> None:
    found = drill_store.earlier(context.places)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    out = console()
    if not found:
        out.print("No drill was held from this machine yet. Begin with: failover drill --rehearse")
        return
    for one in found:
        out.print(
            f"{one.get('number')}  {one.get('began')}  {printable(str(one.get('sentence')), 200)}", soft_wrap=True
        )
