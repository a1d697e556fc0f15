"""The daemon: one loop that compares what is with what it has told, until it is stopped.

`daemon.WatcherDaemon` is one run. What it makes of a change is in `recorder`, how it follows pair.toml in
`configuration`, and what it learns of the other machine in `peer`.
"""
