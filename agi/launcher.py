#!/usr/bin/python3 -IS
"""An AGI script of Asterisk's: hands its call to the running agi-server, or runs it here when there is none.

Installed by `agi-server install`, once for each script, under the script's name. It imports what is built into
Python alone, because every call pays for it.
"""

import _signal  # type: ignore[import-not-found]  # signal itself costs an import of enum
import _socket
import posix
import sys

SOCKET = "/run/hotstandby/agi/agi.sock"
ALONE = ["/usr/bin/python3", "-I", "-m", "agi"]
ANSWER_S = 0.5  # until when the server must have taken the call


def main() -> int:
    """Runs one call; the exit code tells Asterisk (AGISTATUS) whether it went well."""
    control = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    _signal.signal(_signal.SIGHUP, lambda *_: relay(control))
    wait_s = handed_over(control)
    if wait_s is None:
        # Held back until the script's own process can hear it; else it would end that one at its start.
        _signal.pthread_sigmask(_signal.SIG_BLOCK, [_signal.SIGHUP])
        arguments = [*ALONE, *sys.argv]
        posix.execv(arguments[0], arguments)
    if not wait_s:
        return 0
    control.settimeout(wait_s)
    try:
        return 0 if control.recv(1) == b"F" else 1
    except TimeoutError:
        # The server is frozen and holds Asterisk's pipes: this line ends the application all the same.
        posix.write(1, b"failure\n")
    except OSError:
        pass
    return 1


def handed_over(control: "_socket.socket") -> "float | None":
    """Seconds to wait for the server's end; 0 when it is too busy; None when the call is still ours."""
    encoding = sys.getfilesystemencoding()
    words = (word.encode(encoding, "surrogateescape") for word in sys.argv)
    packet = b"".join(word + b"\0" for word in (b"hotstandby-agi-1", *words))
    descriptors = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1))
    control.settimeout(ANSWER_S)
    try:
        control.connect(SOCKET)
        # Only who answers gets the descriptors: in the queue of a frozen server they would keep Asterisk waiting.
        if control.recv(1) != b"R":
            return None
        control.sendmsg([packet], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptors)])
    except OSError:
        return None
    try:
        answer = control.recv(16)
    except TimeoutError:
        posix.write(1, b"failure\n")
        posix._exit(1)
    except OSError:
        return None
    if answer[:1] == b"A":
        return int(answer[1:]) / 1000
    return 0.0 if answer[:1] == b"B" else None


def relay(control: "_socket.socket") -> None:
    """The caller has hung up."""
    try:  # noqa: SIM105 - contextlib would have to be imported
        control.send(b"H")
    except OSError:
        pass


if __name__ == "__main__":
    posix._exit(main())
