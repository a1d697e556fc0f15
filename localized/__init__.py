"""What differs on this machine: rendered purely, checked before it counts, swapped by one rename, and verified.

`render` makes bytes from the pair, a machine, a role and secrets; `GenerationStore` keeps them on disk;
`prepare.prepare` does both and holds the result against this machine's own configuration; `activate.activate` swaps,
reloads and waits until Asterisk's lists show it; `right` is what a primary must hold. The command is
`render-localized`. Nothing here talks to the peer, moves DNS or a carrier: that is failover's.
"""
