"""The DNS of a promotion: our BIND's role, the change of the zone, and what every name server says of it.

`step.DnsStep` is the whole; `wire` alone talks to name servers, `named` alone to our own.
"""
