"""The `agi-server` command: arguments and printing only."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import resource
import socket
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Final, ParamSpec

import click

import pair as model
from agi.install import directory
from agi.install import install as install_launchers
from agi.protocol.errors import AgiError
from agi.script import Scripts
from agi.server import activation
from agi.server.log_limit import LogRateFilter
from agi.server.server import AgiServer
from agi.trial import try_script
from host.console_command import ConsoleGroup, config_option
from host.exits import Exit
from host.places import Places
from host.printable import printable
from host.terminal import console
from pair.model import Pair

_Arguments = ParamSpec("_Arguments")

_ENOUGH_DESCRIPTORS: Final = 65_536


def _config(command: Callable[_Arguments, int]) -> Callable[_Arguments, None]:
    """`--config`, and the exit code that it returns."""

    @config_option
    @wraps(command)
    def run(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> None:
        sys.exit(command(*args, **kwargs))

    return run


def _pair(places: Places) -> Pair:
    active = model.active(places)
    if active.warning:
        console(stderr=True).print(f"WARNING: {active.warning}", soft_wrap=True)
    return active.pair


@click.group(cls=ConsoleGroup)
def main() -> None:
    """Answers Asterisk's AGI: plain scripts that hand their calls over, and FastAGI.

    Example: agi-server try lookup 5551212 --caller 15551234567
    """


@main.command()
@_config
def run(config: Path | None) -> int:
    """Serves in the foreground, for systemd.

    SIGTERM lets running sessions end first; SIGHUP loads the scripts anew.

    Example: agi-server run
    """
    limited = LogRateFilter()
    handler = logging.StreamHandler()
    handler.addFilter(limited)
    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.INFO, handlers=[handler])
    _take_all_descriptors()
    places = Places.standard(config)
    pair = _pair(places)
    listeners = activation.systemd_sockets()
    families = {listener.family == socket.AF_UNIX for listener in listeners}
    if False not in families:
        listeners.append(activation.listen_fastagi(pair))
    if True not in families:
        listeners.append(activation.listen_handover(places, pair))

    async def serve() -> None:
        server = AgiServer(places, pair, listeners=listeners)
        server.handle_signals()
        await server.run()

    asyncio.run(serve())
    limited.tell()
    logging.shutdown()
    # A script that never ends has a thread that Python would wait for; its call has gone on already.
    os._exit(Exit.DONE)


@main.command(name="try")
@click.argument("script")
@click.argument("arguments", nargs=-1)
@click.option("--caller", metavar="NUMBER", help="Caller's number.")
@click.option("--name", "caller_name", metavar="TEXT", help="Caller's name.")
@click.option("--dialled", metavar="NUMBER", default="s", show_default=True, help="Extension that the call is for.")
@click.option("--set", "settings", metavar="NAME=VALUE", multiple=True, help="A channel variable to begin with.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@_config
def try_(
    script: str,
    arguments: tuple[str, ...],
    caller: str | None,
    caller_name: str | None,
    dialled: str,
    settings: tuple[str, ...],
    as_json: bool,
    config: Path | None,
) -> int:
    """Runs SCRIPT with ARGUMENTS as Asterisk would, and prints the dialogue.

    Example: agi-server try lookup 5551212 --caller 15551234567
    """
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    places = Places.standard(config)
    variables = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--set wants NAME=VALUE, not {printable(setting)!r}.")
        variables[name] = value
    happened = try_script(
        places,
        _pair(places),
        script,
        arguments,
        caller_number=caller,
        caller_name=caller_name,
        dialled=dialled,
        variables=variables,
    )
    milliseconds = round(happened.seconds * 1000, 1)
    if as_json:
        dialogue = [{"command": command, "reply": reply.rstrip("\n")} for command, reply in happened.dialogue]
        _print_json(
            {
                "script": script,
                "ended_well": happened.ended_well,
                "milliseconds": milliseconds,
                "variables": happened.variables,
                "dialogue": dialogue,
            }
        )
    else:
        out = console()
        for command, reply in happened.dialogue:
            out.print(f"<- {printable(command, 2048)}", soft_wrap=True)
            out.print(f"-> {printable(reply.rstrip(chr(10)), 2048)}", soft_wrap=True)
        ended = "ended" if happened.ended_well else "FAILED"
        out.print(f"{script} {ended} after {milliseconds:g} ms, {len(happened.dialogue)} commands.", soft_wrap=True)
        for name, value in happened.variables.items():
            out.print(f"   {printable(name)} = {printable(value, 2048)}", soft_wrap=True)
    return Exit.DONE if happened.ended_well else Exit.FAILED


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@_config
def check(as_json: bool, config: Path | None) -> int:
    """Loads every script and looks whether the server answers; 1 if anything is wrong.

    Example: agi-server check
    """
    places = Places.standard(config)
    pair = _pair(places)
    scripts = Scripts(places.config / "agi")
    handover = _answers(places.agi_socket)
    fastagi = _listens(pair.agi.listen, pair.agi.port)
    if as_json:
        _print_json(
            {
                "scripts": {script.name: script.origin for script in scripts},
                "broken": scripts.broken,
                "handover": handover,
                "fastagi": fastagi,
                "address": f"{pair.agi.listen}:{pair.agi.port}",
            }
        )
    else:
        out = console()
        for script in scripts:
            out.print(f"{script.name}: ready ({script.origin})", soft_wrap=True)
        for name, reason in scripts.broken.items():
            out.print(f"{name}: BROKEN: {reason}", soft_wrap=True)
        socket_path = places.agi_socket
        out.print(f"server: {'answers on' if handover else 'DOES NOT ANSWER on'} {socket_path}", soft_wrap=True)
        where = f"{pair.agi.listen} port {pair.agi.port}"
        out.print(f"FastAGI: {'listens on' if fastagi else 'DOES NOT LISTEN on'} {where}", soft_wrap=True)
        if scripts.broken:
            out.print("Mend the broken scripts, then type: systemctl reload agi-server", soft_wrap=True)
        elif not (handover and fastagi):
            out.print(
                "Calls run without it, each in a process of its own. Type: systemctl start agi-server", soft_wrap=True
            )
        else:
            out.print("Nothing to do.", soft_wrap=True)
    return Exit.DONE if handover and fastagi and not scripts.broken else Exit.FAILED


@main.command()
@click.argument("names", nargs=-1, metavar="[SCRIPT]...")
@click.option("--agi-bin", type=click.Path(path_type=Path), metavar="DIR", help="Asterisk's astagidir.")
@click.option(
    "--interpreter",
    metavar="PATH",
    default="/usr/bin/python3",
    show_default=True,
    help="The Python that runs the launchers; it needs nothing installed.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@_config
def install(names: tuple[str, ...], agi_bin: Path | None, interpreter: str, as_json: bool, config: Path | None) -> int:
    """Puts a launcher for each SCRIPT into Asterisk's agi-bin; for all scripts when none is named.

    Example: agi-server install lookup
    """
    places = Places.standard(config)
    scripts = Scripts(places.config / "agi")
    wanted = [scripts[name].name for name in names] or sorted(script.name for script in scripts)
    if not wanted:
        raise AgiError("There is no script to install a launcher for. Type: agi-server check")
    done = install_launchers(places, wanted, agi_bin or directory(), interpreter=interpreter)
    if as_json:
        _print_json({"launchers": [{"path": str(one.path), "changed": one.changed} for one in done]})
    else:
        for one in done:
            console().print(f"{one.path}: {'installed' if one.changed else 'was there already'}", soft_wrap=True)
        console().print(f"In the dialplan: same => n,AGI({wanted[0]}.py)", soft_wrap=True)
    return Exit.DONE


def _take_all_descriptors() -> None:
    """As many as this process is allowed; a shell gives fewer at first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, _ENOUGH_DESCRIPTORS)), hard))


def _answers(path: Path) -> bool:
    """Whether a server greets on the hand-over socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as control:
        control.settimeout(1.0)
        try:
            control.connect(str(path))
            return control.recv(1) == b"R"
        except OSError:
            return False


def _listens(host: str, port: int) -> bool:
    """Whether somebody accepts connections there."""
    try:
        socket.create_connection((host, port), timeout=1.0).close()
    except OSError:
        return False
    return True


def _print_json(document: dict[str, Any]) -> None:
    click.echo(json.dumps(document, indent=2, ensure_ascii=True))
