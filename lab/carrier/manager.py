"""The carrier's manager interface, for the lab alone: enough to place calls and read lists."""

from __future__ import annotations

import contextlib
import itertools
import queue
import socket
import threading
import time

from lab.errors import LabError

Message = dict[str, str]
"""Header name in lower case -> value; of a header that comes twice the last one."""


class ManagerConnection:
    """One logged-in connection: actions are answered in order, events go to whoever asked for them.

    Args:
        connected: to the manager's port; closed by close().
        deadline_s: seconds for one action.
    """

    def __init__(self, connected: socket.socket, username: str, secret: str, *, deadline_s: float = 30.0) -> None:
        self._socket = connected
        self._deadline_s = deadline_s
        self._ids = itertools.count(1)
        self._answers: dict[str, queue.SimpleQueue[Message]] = {}
        self._listeners: list[tuple[str, queue.SimpleQueue[Message]]] = []
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, name="lab-ami", daemon=True)
        self._reader.start()
        self.action("Login", Username=username, Secret=secret)

    @property
    def alive(self) -> bool:
        """Whether the other side is still there; it is gone when its Asterisk, or its machine, is."""
        return self._reader.is_alive()

    def close(self) -> None:
        """Ends the connection and its thread."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._reader.join(2)

    def action(self, name: str, **headers: str) -> Message:
        """Sends an action and returns the response.

        Raises:
            LabError: refused, or no answer by the deadline.
        """
        answer = self._ask(name, headers).get()
        if answer.get("response") == "Error":
            raise LabError(f"the carrier's Asterisk refused {name}: {answer.get('message', '').strip()}")
        return answer

    def list(self, name: str, completed_by: str, **headers: str) -> list[Message]:
        """Sends an action that answers with a list; [] also where Asterisk calls an empty list an error."""
        waiting = self._ask(name, headers)
        first = waiting.get()
        if first.get("response") == "Error":
            if first.get("message", "").startswith("No "):
                return []
            raise LabError(f"the carrier's Asterisk refused {name}: {first.get('message', '').strip()}")
        items = []
        while (item := waiting.get()).get("event") != completed_by:
            items.append(item)
        return items

    def listen(self, header: str) -> _Listening:
        """Everything that carries this header with some value, from now on; end it with close()."""
        return _Listening(self, header.lower())

    def _ask(self, name: str, headers: dict[str, str]) -> _Waiting:
        identity = str(next(self._ids))
        lines = [f"Action: {name}", f"ActionID: {identity}"]
        for key, value in headers.items():
            if "\r" in value or "\n" in value:
                raise LabError(f"{name}: {key} has a line break")
            lines += [f"{key}: {part}" for part in value.split("\x1f")]
        waiting = _Waiting(name, self._deadline_s)
        with self._lock:
            self._answers[identity] = waiting.queue
            self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return waiting

    def _read(self) -> None:
        buffer = b""
        with contextlib.suppress(OSError):
            while data := self._socket.recv(65536):
                buffer += data
                if buffer.startswith(b"Asterisk Call Manager"):
                    _, end, rest = buffer.partition(b"\r\n")
                    if not end:
                        continue
                    buffer = rest
                *packets, buffer = buffer.split(b"\r\n\r\n")
                for packet in packets:
                    self._deliver(packet)

    def _deliver(self, packet: bytes) -> None:
        message: Message = {}
        for line in packet.decode(errors="replace").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon:
                message[name.strip().lower()] = value.strip()
        with self._lock:
            answers = self._answers.get(message.get("actionid", ""))
            listeners = [found for header, found in self._listeners if header in message]
        if answers is not None:
            answers.put(message)
        for listener in listeners:
            listener.put(message)


class _Waiting:
    def __init__(self, name: str, deadline_s: float) -> None:
        self.queue: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._name = name
        self._until = time.monotonic() + deadline_s

    def get(self) -> Message:
        try:
            return self.queue.get(timeout=max(0.0, self._until - time.monotonic()))
        except queue.Empty:
            raise LabError(f"the carrier's Asterisk did not answer {self._name} in time") from None


class _Listening:
    def __init__(self, connection: ManagerConnection, header: str) -> None:
        self._connection = connection
        self._entry: tuple[str, queue.SimpleQueue[Message]] = (header, queue.SimpleQueue())
        with connection._lock:
            connection._listeners.append(self._entry)

    def get(self, deadline_s: float) -> Message | None:
        """The next message, or None after so many seconds."""
        try:
            return self._entry[1].get(timeout=max(0.0, deadline_s))
        except queue.Empty:
            return None

    def close(self) -> None:
        with self._connection._lock:
            self._connection._listeners.remove(self._entry)
