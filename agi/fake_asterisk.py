"""An Asterisk for trials and tests: says an environment, reads commands as Asterisk does, and answers in its words.

It knows no dialplan: variables are a dictionary, functions are variables with brackets in their names. What it says
is held to recordings of the real one (tests/agi/recordings).
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

_EXPRESSION: Final = re.compile(r"\$\{([^{}]*)\}")
_ALIVE_ONLY: Final = frozenset(
    {"answer", "get data", "get option", "say digits", "say number", "stream file", "wait for digit", "record file"}
)
_USAGE: Final = "520-Invalid command syntax.  Proper usage follows:\n{}\n520 End of proper usage.\n"


def environment(
    script: str,
    arguments: tuple[str, ...] = (),
    *,
    caller_number: str = "unknown",
    caller_name: str = "unknown",
    dialled: str = "s",
    channel: str = "SIP/carrier-00000001",
    version: str = "22.10.1",
    network: bool = False,
) -> bytes:
    """What Asterisk prints first, with nothing escaped, as Asterisk does it (res/res_agi.c, setup_env)."""
    lines = ["agi_network: yes", f"agi_network_script: {script}"] if network else []
    lines += [
        f"agi_request: {f'agi://127.0.0.1/{script}' if network else f'{script}.py'}",
        f"agi_channel: {channel}",
        "agi_language: en",
        f"agi_type: {channel.partition('/')[0]}",
        "agi_uniqueid: 1763814000.7",
        f"agi_version: {version}",
        f"agi_callerid: {caller_number}",
        f"agi_calleridname: {caller_name}",
        "agi_callingpres: 0",
        "agi_callingani2: 0",
        "agi_callington: 0",
        "agi_callingtns: 0",
        f"agi_dnid: {dialled}",
        "agi_rdnis: unknown",
        "agi_context: from-carrier",
        f"agi_extension: {dialled}",
        "agi_priority: 2",
        "agi_enhanced: 0.0",
        "agi_accountcode: ",
        "agi_threadid: 140213840578304",
        *(f"agi_arg_{number}: {value}" for number, value in enumerate(arguments, 1)),
    ]
    return ("\n".join(lines) + "\n\n").encode("utf-8", "surrogateescape")


def words(line: str) -> list[str]:
    """A command's words as Asterisk separates them (res/res_agi.c, parse_args)."""
    found: list[str] = []
    word: list[str] | None = None
    quoted = escaped = False
    for character in line:
        if character == '"' and not escaped:
            quoted = not quoted
            if quoted and word is None:
                word = []
        elif character in " \t" and not quoted and not escaped:
            if word is not None:
                found.append("".join(word))
            word = None
        elif character == "\\" and not escaped:
            escaped = True
        else:
            word = [] if word is None else word
            word.append(character)
            escaped = False
    return found if word is None else [*found, "".join(word)]


@dataclass
class FakeAsterisk:
    """Asterisk's side of one call: answers commands, and remembers.

    Attributes:
        variables: of the channel.
        database: family/key to value.
        dead: whether the caller has hung up.
    """

    variables: dict[str, str] = field(default_factory=dict)
    database: dict[str, str] = field(default_factory=dict)
    dead: bool = False

    def answer(self, line: str) -> str:
        """The reply to one command, its newline included."""
        given = words(line)
        command = [word.lower() for word in given]
        for length in (3, 2, 1):
            name = " ".join(command[:length])
            act = _COMMANDS.get(name)
            if act is not None and len(command) >= length:
                if self.dead and name in _ALIVE_ONLY:
                    return "511 Command Not Permitted on a dead channel or intercept routine\n"
                return act(self, given[length:])
        return "510 Invalid or unknown command\n"

    def expanded(self, text: str) -> str:
        """`text` with its `${…}` replaced."""
        return _EXPRESSION.sub(lambda found: self.variables.get(found[1], ""), text)

    def _set_variable(self, arguments: list[str]) -> str:
        if len(arguments) != 2:
            return _USAGE.format("Usage: SET VARIABLE VARIABLENAME VALUE")
        self.variables[arguments[0]] = arguments[1]
        return "200 result=1\n"

    def _get_variable(self, arguments: list[str]) -> str:
        if len(arguments) != 1:
            return _USAGE.format("Usage: GET VARIABLE VARIABLENAME")
        value = self.variables.get(arguments[0])
        return "200 result=0\n" if value is None else f"200 result=1 ({value})\n"

    def _get_full_variable(self, arguments: list[str]) -> str:
        if len(arguments) not in (1, 2):
            return _USAGE.format("Usage: GET FULL VARIABLE EXPRESSION [CHANNELNAME]")
        return f"200 result=1 ({self.expanded(arguments[0])})\n"

    def _database_get(self, arguments: list[str]) -> str:
        value = self.database.get("/".join(arguments))
        return "200 result=0\n" if value is None else f"200 result=1 ({value})\n"

    def _database_put(self, arguments: list[str]) -> str:
        self.database["/".join(arguments[:2])] = arguments[2]
        return "200 result=1\n"

    def _database_del(self, arguments: list[str]) -> str:
        return f"200 result={int(self.database.pop('/'.join(arguments), None) is not None)}\n"

    def _set_context(self, arguments: list[str]) -> str:
        return "200 result=0\n" if arguments else _USAGE.format("Usage: SET CONTEXT DESIRED_CONTEXT")

    def _one(self, _: list[str]) -> str:
        return "200 result=1\n"

    def _zero(self, _: list[str]) -> str:
        return "200 result=0\n"

    def _played(self, _: list[str]) -> str:
        return "200 result=0 endpos=8000\n"

    def _status(self, _: list[str]) -> str:
        return "200 result=6\n"

    def _nothing_pressed(self, _: list[str]) -> str:
        return "200 result= (timeout)\n"


_COMMANDS: Final[Mapping[str, Callable[[FakeAsterisk, list[str]], str]]] = {
    "set variable": FakeAsterisk._set_variable,
    "get variable": FakeAsterisk._get_variable,
    "get full variable": FakeAsterisk._get_full_variable,
    "database get": FakeAsterisk._database_get,
    "database put": FakeAsterisk._database_put,
    "database del": FakeAsterisk._database_del,
    "set context": FakeAsterisk._set_context,
    "verbose": FakeAsterisk._one,
    "channel status": FakeAsterisk._status,
    "stream file": FakeAsterisk._played,
    "get data": FakeAsterisk._nothing_pressed,
    **dict.fromkeys(
        (
            "answer",
            "exec",
            "noop",
            "say digits",
            "say number",
            "set autohangup",
            "set callerid",
            "set extension",
            "set priority",
            "wait for digit",
        ),
        FakeAsterisk._zero,
    ),
}


def serve_session(
    read_fd: int,
    write_fd: int,
    first: bytes,
    answer: Callable[[str], str | None],
    *,
    deadline_s: float = 30.0,
    heard: Callable[[str, str], None] = lambda _command, _reply: None,
) -> bool:
    """Asterisk's side of one AGI session, with the habit of reading through a buffer and waiting on the descriptor.

    Args:
        read_fd, write_fd: commands come from the one, replies go to the other; both blocking, neither is closed.
        first: the environment.
        answer: the reply to a command; None ends the session without one.
        deadline_s: seconds for all of it.
        heard: told each command and its reply.

    Returns:
        Whether the other side ended the session; False: it took too long, or `answer` ended it.
    """
    deadline = time.monotonic() + deadline_s
    poll = select.poll()
    poll.register(read_fd, select.POLLIN)
    os.write(write_fd, first)
    buffer = b""
    while poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        # One line for each time that the descriptor is ready, whatever else is in the buffer (run_agi).
        while b"\n" not in buffer:
            try:
                data = os.read(read_fd, 4096)
            except ConnectionError:
                data = b""
            if not data:
                break
            buffer += data
        line, newline, rest = buffer.partition(b"\n")
        if not newline and not line:
            return True
        buffer = rest
        command = line.decode("utf-8", "surrogateescape")
        reply = answer(command)
        if reply is None:
            return False
        heard(command, reply)
        with contextlib.suppress(OSError):
            os.write(write_fd, reply.encode("utf-8", "surrogateescape"))
    return False
