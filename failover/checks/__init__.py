"""What would keep a promotion from succeeding, seen before it is needed.

`registry` lists every check; each is a pure function over `failover.facts`. `views` selects and words for
`failover ready`, `check`, a plan's refusals and the rehearsal. A new check is a function in one of the `…_checks` files
and a line in `registry`. `compare` tells what differs between the machines and should not.
"""
