"""What BIND keeps of a zone beside its file, in the journal, is taken over and read as well."""

from __future__ import annotations

import pytest

from failover.bind.named import NamedRefuses
from failover.demotion.boot_guard import copy_dates_from
from failover.name_servers.agreement import NameServer
from failover.name_servers.query import query_server
from failover.name_servers.transport import DnsTransport
from failover.name_servers.update import ZoneUpdate, send_update, with_serial
from tests.failover.steps.dns.test_dns_step import carried_out
from tests.world.failover.dns.binds import ADDRESSES, Binds

pytestmark = pytest.mark.world


def test_what_only_the_secondarys_journal_knows_is_taken_over_too(binds: Binds) -> None:
    line = DnsTransport(binds.port, ADDRESSES["boston"])
    boston = NameServer("boston", ADDRESSES["boston"])
    own = query_server(boston, "acme.example", [("late", "A")], line)
    late = {("late", "A"): frozenset({"192.0.2.77"})}
    soa = with_serial(own.soa, own.serial + 1)
    send_update(
        ZoneUpdate("acme.example", own.records, late, 30, soa, own.soa_ttl), boston, binds.key(), line, deadline_s=3.0
    )
    binds["dallas"].wait_for("late.acme.example", "A", "192.0.2.77")
    binds["boston"].stop()
    assert (binds["dallas"].directory / "acme.db.jnl").exists()
    carried_out(binds.step("dallas", 7, dead=("boston",)))
    for name in ("dallas", "ns3"):
        assert binds[name].answers("late.acme.example", "A") == "192.0.2.77"


def test_a_secondarys_copy_is_read_while_its_bind_is_down_with_what_only_its_journal_knows(binds: Binds) -> None:
    dallas = binds["dallas"]
    assert binds["boston"].named.copy("acme.example") is None  # it has no copy
    carried_out(binds.step("boston", 7))
    dallas.wait_for("_failover.acme.example", "TXT", "epoch=7")
    dallas.stop()
    assert (dallas.directory / "acme.db.jnl").exists()
    copy = dallas.named.copy("acme.example")
    assert copy is not None
    assert copy_dates_from(copy, "acme.example", ("boston", "dallas")) == 7
    (dallas.directory / "acme.db").write_bytes(b"\0\0\0\2 cut short")
    with pytest.raises(NamedRefuses, match=r"acme\.db"):
        dallas.named.copy("acme.example")
