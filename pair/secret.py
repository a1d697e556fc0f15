"""Secrets: one file each under secrets/, read by the process that uses it and nobody else."""

from __future__ import annotations

import os
import stat

from host.errors import UsageError
from host.places import Places
from pair.model import Pair
from pair.problem import Problem

_LIMIT = 64 * 1024
"""Bytes; a TLS key has a few thousand."""


class SecretUnusable(UsageError):
    """A secret's file is missing, empty, or open to everybody; the message never holds any of it."""


def read_secret(places: Places, name: str) -> str:
    """The secret in `secrets/name`, without the newline that editors put at its end.

    Raises:
        SecretUnusable
    """
    path = places.secrets / name
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise SecretUnusable(
            f"The secret {path} cannot be read: {error.strerror}. Write it there, owned by root, with: chmod 640 {path}"
        ) from None
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise SecretUnusable(f"The secret {path} is not a regular file. Put the secret itself there.")
        if mode & stat.S_IRWXO:
            raise SecretUnusable(
                f"The secret {path} is open to every user of this machine. Close it with: chmod o-rwx {path} "
                "and consider changing the secret."
            )
        data = os.read(descriptor, _LIMIT + 1)
    finally:
        os.close(descriptor)
    if len(data) > _LIMIT:
        raise SecretUnusable(f"The secret {path} is longer than {_LIMIT // 1024} KiB. Put the secret alone there.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SecretUnusable(f"The secret {path} is not UTF-8 at byte {error.start}.") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise SecretUnusable(f"The secret {path} is empty. Write the secret into it.")
    return text


def secret_files(pair: Pair, machine: str) -> dict[str, str]:
    """Key path -> file name of every secret that `machine` uses."""
    named = {"asterisk.ami.secret_file": pair.asterisk_on(machine).ami.secret_file}
    for name in pair.trunks:
        trunk = pair.trunk_on(name, machine)
        if trunk.secret_file is not None:
            named[f"trunks.{name}.secret_file"] = trunk.secret_file
    for key, file in (
        ("watcher.token_file", pair.watcher.token_file),
        ("watcher.hooks.webhook_token_file", pair.watcher.hooks.webhook_token_file),
    ):
        if file is not None:
            named[key] = file
    if pair.dns is not None:
        for key, file in (("dns.key_file", pair.dns.key_file), ("dns.notify_key_file", pair.dns.notify_key_file)):
            if file is not None:
                named[key] = file
    for section, entries in (("carriers", pair.carriers), ("lookup", pair.lookup)):
        for name, entry in entries.items():
            file = getattr(entry, "secret_file", None)
            if file is not None:
                named[f"{section}.{name}.secret_file"] = file
    return named


def secret_problems(places: Places, pair: Pair, machine: str) -> list[Problem]:
    """What is wrong with the secrets that `machine` uses; for whoever may read them all."""
    found = []
    for key, name in secret_files(pair, machine).items():
        try:
            read_secret(places, name)
        except SecretUnusable as error:
            found.append(Problem(key, str(error)))
    return found
