"""What would keep a promotion from succeeding, seen before it is needed.

`registry` lists every check; each is a pure function over `facts.Facts`, which `gather_plan` and `gather` make by
looking. `views` selects and words for `failover ready`, `check`, a plan's refusals and the rehearsal. A new check is a
function in one of the `…_checks` files and a line in `registry`. `overview` is what `failover status` shows of both
machines, and `compare` what differs between them.
"""
