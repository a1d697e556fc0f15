"""How an Asterisk's AMI is reached: a TCP connection, with TLS where it is wanted, and errors that say what to do."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from typing import Protocol

from ami_watcher.ami.errors import AmiUnreachable


class AmiEndpoint(Protocol):
    """What a session needs of pair.machine.Ami."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def username(self) -> str: ...
    @property
    def tls(self) -> bool: ...
    @property
    def tls_host_name(self) -> str | None: ...
    @property
    def tls_ca_file(self) -> str | None: ...


async def connect(where: AmiEndpoint, made: Callable[[], asyncio.BaseProtocol]) -> None:
    """Makes the connection and hands it to what `made` gives.

    Raises:
        AmiUnreachable
    """
    loop = asyncio.get_running_loop()
    address = f"{where.host}:{where.port}"
    context = _trusting(where.tls_ca_file) if where.tls else None
    try:
        await loop.create_connection(
            made,
            where.host,
            where.port,
            ssl=context,
            server_hostname=(where.tls_host_name or where.host) if context else None,
        )
    except ssl.SSLCertVerificationError as error:
        raise AmiUnreachable(
            f"The certificate of {address} is not accepted: {error.verify_message} (expected the "
            f"name {where.tls_host_name or where.host}). See tls_host_name and tls_ca_file under [asterisk] ami in "
            "pair.toml"
        ) from error
    except ssl.SSLError as error:
        raise AmiUnreachable(
            f"{address} does not agree on TLS ({error.reason or error}). AMI with TLS has a port of its own: "
            "tlsenable and tlsbindaddr in manager.conf, 5039 by default"
        ) from error
    except socket.gaierror as error:
        raise AmiUnreachable(
            f"No address for {where.host} ({error.strerror}). Correct host of [asterisk] ami in pair.toml"
        ) from error
    except OSError as error:
        # A name with several addresses gives one error that quotes the others.
        if isinstance(error, ConnectionRefusedError) or f"[Errno {errno.ECONNREFUSED}]" in str(error):
            raise AmiUnreachable(
                f"Nothing listens at {address}: Asterisk is not running, or manager.conf says enabled = no or "
                "another port. Try: asterisk -rx 'manager show settings'"
            ) from error
        raise AmiUnreachable(f"{address} cannot be reached: {error.strerror or error}") from error


def _trusting(ca_file: str | None) -> ssl.SSLContext:
    """A context that checks certificate and host name, against `ca_file` or what the system trusts."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise AmiUnreachable(
            f"{ca_file} cannot be used to check Asterisk's certificate: {error.strerror or error}. "
            "Correct tls_ca_file under [asterisk] ami in pair.toml"
        ) from error
