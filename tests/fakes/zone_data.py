"""What one fake name server has of one zone, and what DNS makes of a question and of an UPDATE. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

import dns.flags
import dns.message
import dns.name
import dns.node
import dns.rcode
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rrset
import dns.update
import dns.zone

from failover.name_servers.serial import later, plus

IN = dns.rdataclass.IN


class Kind(Enum):
    """What a server is for a zone."""

    PRIMARY = "primary"
    SECONDARY = "secondary"


@dataclass
class ZoneData:
    """A zone as one server has it.

    Attributes:
        name: absolute.
        kind: what the server is for it.
        content: the records; None for a secondary that has none yet, or whose copy has expired.
        update_keys: names of the TSIG keys that may change anything.
        granted: owner and type that they may change, as an update-policy lists them; None for everything.
        frozen: no UPDATE is taken.
        primaries: where a secondary asks, in order.
        also_notify: whom a primary tells of a change.
    """

    name: dns.name.Name
    kind: Kind
    content: dns.zone.Zone | None = None
    update_keys: frozenset[str] = frozenset()
    granted: frozenset[tuple[dns.name.Name, str]] | None = None
    frozen: bool = False
    primaries: tuple[str, ...] = ()
    also_notify: tuple[str, ...] = ()
    served: bool = field(default=True)

    @property
    def serial(self) -> int:
        """Of its SOA; 0 where there is no content."""
        if self.content is None:
            return 0
        soa = self.content.get_rdataset(self.name, "SOA")
        return int(soa[0].serial) if soa else 0

    def answer(
        self,
        response: dns.message.Message,
        owner: dns.name.Name,
        kind: dns.rdatatype.RdataType,
        *,
        with_signatures: bool = False,
    ) -> None:
        """Fills in the answer of an authority (RFC 1034 §4.3.2); RFC 4035 §3.1: who wants them gets signatures."""
        if self.content is None:
            response.set_rcode(dns.rcode.SERVFAIL)
            return
        if cut := self._delegation(owner, kind):
            servers = self._rrset(cut, cut, dns.rdatatype.NS)
            assert servers is not None
            response.authority.append(servers)
            for server in servers:
                for family in (dns.rdatatype.A, dns.rdatatype.AAAA):
                    if glue := self._rrset(server.target, server.target, family):
                        response.additional.append(glue)
            return
        response.flags |= dns.flags.AA
        source = self._source(owner)
        if source is None:
            if not any(name.is_subdomain(owner) for name in self.content.nodes):
                response.set_rcode(dns.rcode.NXDOMAIN)
        elif kind == dns.rdatatype.ANY:
            for rdataset in self.content.nodes[source]:
                response.answer.append(_as_rrset(owner, rdataset))
        elif found := self._rrset(source, owner, kind):
            response.answer.append(found)
        elif alias := self._rrset(source, owner, dns.rdatatype.CNAME):
            response.answer.append(alias)
            target = alias[0].target
            beyond = self._source(target) if target.is_subdomain(self.name) else None
            if beyond is not None and (found := self._rrset(beyond, target, kind)):
                response.answer.append(found)
        if source is not None and with_signatures:
            signatures = self.content.get_rdataset(source, "RRSIG", kind)
            if signatures and response.answer:
                response.answer.append(_as_rrset(owner, signatures))
        if not response.answer and (soa := self._rrset(self.name, self.name, dns.rdatatype.SOA)):
            response.authority.append(soa)

    def _delegation(self, owner: dns.name.Name, kind: dns.rdatatype.RdataType) -> dns.name.Name | None:
        assert self.content is not None
        above = owner
        while above.is_subdomain(self.name) and above != self.name:
            if self.content.get_rdataset(above, "NS") and not (above == owner and kind == dns.rdatatype.DS):
                return above
            above = above.parent()
        return None

    def _source(self, owner: dns.name.Name) -> dns.name.Name | None:
        """The name whose records answer for it: itself, or the nearest "*" above (RFC 4592); None where nothing is."""
        assert self.content is not None
        if owner in self.content.nodes and len(self.content.nodes[owner]):
            return owner
        above = owner
        while above.is_subdomain(self.name) and above != self.name:
            if any(name.is_subdomain(above) for name in self.content.nodes):
                return None
            above = above.parent()
            wildcard = dns.name.from_text("*", above)
            if wildcard in self.content.nodes:
                return wildcard
        return None

    def _rrset(
        self, source: dns.name.Name, owner: dns.name.Name, kind: dns.rdatatype.RdataType
    ) -> dns.rrset.RRset | None:
        assert self.content is not None
        rdataset = self.content.get_rdataset(source, kind)
        return _as_rrset(owner, rdataset) if rdataset else None

    def update(self, message: dns.update.UpdateMessage) -> dns.rcode.Rcode:
        """Carries an UPDATE out, or not (RFC 2136 §3). The policy counts before the prerequisites, as in BIND."""
        if self.kind is not Kind.PRIMARY or self.content is None or self.frozen:
            return dns.rcode.REFUSED
        if message.keyname is None or message.keyname.to_text(omit_final_dot=True) not in self.update_keys:
            return dns.rcode.REFUSED
        changed = {(rrset.name, dns.rdatatype.to_text(rrset.rdtype)) for rrset in message.update}
        if self.granted is not None and not changed <= self.granted:
            return dns.rcode.REFUSED
        if not all(rrset.name.is_subdomain(self.name) for rrset in (*message.prerequisite, *message.update)):
            return dns.rcode.NOTZONE
        failed = self._prerequisites(message.prerequisite)
        if failed is not None:
            return failed
        before = self.serial
        if self._apply(message.update) and not later(self.serial, before):
            self._set_serial(plus(before, 1))
        return dns.rcode.NOERROR

    def _prerequisites(self, wanted: Iterable[dns.rrset.RRset]) -> dns.rcode.Rcode | None:
        assert self.content is not None
        for rrset in wanted:
            there = self.content.get_rdataset(rrset.name, rrset.rdtype)
            used = rrset.name in self.content.nodes and len(self.content.nodes[rrset.name]) > 0
            if rrset.deleting == dns.rdataclass.ANY:
                if rrset.rdtype == dns.rdatatype.ANY and not used:
                    return dns.rcode.NXDOMAIN
                if rrset.rdtype != dns.rdatatype.ANY and not there:
                    return dns.rcode.NXRRSET
            elif rrset.deleting == dns.rdataclass.NONE:
                if rrset.rdtype == dns.rdatatype.ANY and used:
                    return dns.rcode.YXDOMAIN
                if rrset.rdtype != dns.rdatatype.ANY and there:
                    return dns.rcode.YXRRSET
            elif there is None or not _same(there, _all_of(wanted, rrset)):
                return dns.rcode.NXRRSET
        return None

    def _apply(self, updates: Iterable[dns.rrset.RRset]) -> bool:
        assert self.content is not None
        before = self.content.to_text()
        for rrset in updates:
            node = self.content.find_node(rrset.name, create=True)
            at_apex = rrset.name == self.name and rrset.rdtype in (dns.rdatatype.SOA, dns.rdatatype.NS)
            if rrset.deleting == dns.rdataclass.ANY:
                if not at_apex:
                    node.delete_rdataset(IN, rrset.rdtype)
            elif rrset.deleting == dns.rdataclass.NONE:
                there = node.get_rdataset(IN, rrset.rdtype)
                if there is not None and not at_apex:
                    for rdata in rrset:
                        there.discard(rdata)  # type: ignore[no-untyped-call]
                    if not there:
                        node.delete_rdataset(IN, rrset.rdtype)
            elif rrset.rdtype == dns.rdatatype.SOA:
                if later(rrset[0].serial, self.serial):
                    node.replace_rdataset(dns.rdataset.from_rdata(rrset.ttl, rrset[0]))
            elif not (rrset.rdtype != dns.rdatatype.CNAME and node.get_rdataset(IN, dns.rdatatype.CNAME)):
                there = node.find_rdataset(IN, rrset.rdtype, create=True)
                there.update(rrset)  # type: ignore[no-untyped-call]
                there.ttl = rrset.ttl
            if not len(node):
                self.content.delete_node(rrset.name)
        return self.content.to_text() != before

    def _set_serial(self, serial: int) -> None:
        assert self.content is not None
        there = self.content.find_rdataset(self.name, dns.rdatatype.SOA)
        made = dns.rdataset.from_rdata(there.ttl, there[0].replace(serial=serial))
        self.content.find_node(self.name).replace_rdataset(made)


def _as_rrset(owner: dns.name.Name, rdataset: dns.rdataset.Rdataset) -> dns.rrset.RRset:
    return dns.rrset.from_rdata_list(owner, rdataset.ttl, list(rdataset))


def _all_of(rrsets: Iterable[dns.rrset.RRset], like: dns.rrset.RRset) -> set[str]:
    """RFC 2136 §3.2.3: what is asked of one name and type belongs together."""
    return {
        rdata.to_text()
        for rrset in rrsets
        for rdata in rrset
        if (rrset.name, rrset.rdtype, rrset.deleting) == (like.name, like.rdtype, None)
    }


def _same(there: dns.rdataset.Rdataset, wanted: set[str]) -> bool:
    return {rdata.to_text() for rdata in there} == wanted
