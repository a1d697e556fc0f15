"""What differs on this machine: rendered purely, checked before it counts, swapped by one rename, and verified.

`render` makes bytes from the pair, a machine, a role and secrets; `generations` keeps them on disk; `prepare.prepare`
does both and has `checks` hold the result against this machine's own configuration, read by `asterisk`;
`activation.activate` swaps, reloads and waits until Asterisk's lists show it. On top are the command
`render-localized`, `check` (its --check and --diff) and `report`, which prints. Nothing here talks to the peer, moves
DNS or a carrier: that is failover's.
"""
