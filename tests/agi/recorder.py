"""Writes down what a real Asterisk says through AGI: its environment, and its replies to a list of commands.

Runs as a plain AGI script, or with a port as a FastAGI server for one session; standard library alone, nothing of
ours, so that what is recorded is Asterisk's word and not our reading of it.

    recorder.py OUT.json [PORT]
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
from pathlib import Path

COMMANDS = (
    'DATABASE PUT "recorded" "key" "x"',
    "NOOP",
    'GET FULL VARIABLE "0123456789abcdef"',
    'GET VARIABLE "NOTSET"',
    'SET VARIABLE "RECORDED" "a)\\\\b \\"c\\""',
    'GET VARIABLE "RECORDED"',
    'GET FULL VARIABLE "${RECORDED}#"',
    'GET FULL VARIABLE "${NOTSET}"',
    'GET FULL VARIABLE "${NEWLINE}#"',
    'VERBOSE "hello" 1',
    'DATABASE DEL "recorded" "key"',
    'DATABASE GET "recorded" "key"',
    'DATABASE PUT "recorded" "key" "hangup"',
    'DATABASE GET "recorded" "key"',
    "CHANNEL STATUS",
    "SET CONTEXT",
    "NO SUCH COMMAND",
    "WAIT FOR DIGIT 10",
    'SET VARIABLE "RECORDED" ""',
    'GET VARIABLE "RECORDED"',
)
QUIET_S = 0.08


def heard(descriptor: int) -> bytes:
    """Everything until nothing more comes for a while."""
    found = b""
    while select.select([descriptor], [], [], QUIET_S if found else 3.0)[0]:
        data = os.read(descriptor, 65536)
        if not data:
            break
        found += data
    return found


def record(read_fd: int, write_fd: int, out: Path) -> None:
    """One session."""
    dialogue = []
    environment = heard(read_fd).decode("utf-8", "surrogateescape")
    for command in COMMANDS:
        os.write(write_fd, command.encode() + b"\n")
        dialogue.append([command, heard(read_fd).decode("utf-8", "surrogateescape")])
    partial = out.with_suffix(".new")
    partial.write_text(json.dumps({"environment": environment, "dialogue": dialogue}, indent=1) + "\n")
    partial.rename(out)


def main() -> None:
    """See the module."""
    out = Path(sys.argv[1])
    if len(sys.argv) == 2:
        record(0, 1, out)
        return
    with socket.create_server(("127.0.0.1", int(sys.argv[2]))) as listener:
        connection, _ = listener.accept()
        with connection:
            record(connection.fileno(), connection.fileno(), out)


if __name__ == "__main__":
    main()
