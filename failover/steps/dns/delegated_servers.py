"""The name servers that have to agree: those of pair.toml, and those that the parent delegates to, asked meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future

from failover.name_servers.agreement import NameServer, servers_to_agree
from failover.name_servers.delegation import DELEGATION_S, DelegationUnknown, read_delegation
from pair.sections.dns import Dns


class DelegatedServers:
    """Who has to agree; the parent is asked once, beside whatever else is done.

    Attributes:
        unknown: why the delegation is not known as a whole, one sentence; empty while it is.
    """

    def __init__(self, dns: Dns) -> None:
        self._dns = dns
        self._asking: Future[dict[str, tuple[str, ...]]] | None = None
        self._all: list[NameServer] | None = None
        self.unknown = ""

    def begin(self) -> None:
        """Begins to ask the parent."""
        asking: Future[dict[str, tuple[str, ...]]] = Future()

        def work() -> None:
            try:
                asking.set_result(read_delegation(self._dns))
            except Exception as error:
                asking.set_exception(error)

        self._asking = asking
        # A daemon: a resolver that died together with the peer must not keep the command from ending.
        threading.Thread(target=work, daemon=True, name="delegation").start()

    def all(self) -> list[NameServer]:
        """Every server; waits for the parent's answer, DELEGATION_S at most. Never raises for what it finds."""
        if self._all is None:
            named = self._delegation()
            self._all = servers_to_agree(self._dns, named)
            asked = {server.address for server in self._all}
            left_out = {each for addresses in named.values() for each in addresses} - asked
            if left_out:
                self.unknown = (
                    f"the parent names {len(left_out)} addresses more than the {len(asked)} that are asked; name those "
                    "that matter in dns.delegation"
                )
        return self._all

    def _delegation(self) -> Mapping[str, Sequence[str]]:
        if self._asking is None:
            self.begin()
        assert self._asking is not None
        try:
            return self._asking.result(DELEGATION_S)
        except DelegationUnknown as error:
            self.unknown = str(error)
        except TimeoutError:
            self.unknown = f"the parent of {self._dns.zone} was not found in {DELEGATION_S:g} s; set dns.parent"
        return {}
