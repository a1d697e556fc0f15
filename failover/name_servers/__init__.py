"""Name servers asked and changed from outside.

`agreement` holds what the zone shall say, what a server said, and whether that is the same; `query` asks, `notify`
tells of a change, `update` makes one (signed, all or nothing), `delegation` finds whom the parent names, `serial` knows
which serial is later, and `transport` carries one exchange of each.
"""
