"""The DNS of a promotion: our BIND's role, the change of the zone, and what every name server says of it.

`step.DnsStep` is the whole: `bind_role` makes our BIND primary, `change` changes the zone, `obstacle` and `dry_run` say
beforehand what would keep it from that, `lag` says why a server still says the old thing, and `renotify` goes on
telling it. Name servers are asked through `failover.name_servers`, our own named through `failover.bind`.
"""
