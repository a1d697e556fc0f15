"""agi-server: FastAGI connections and plain AGI processes that launchers hand over, many at once, each by its deadline.

`server.Server` is the whole, `session` one call in it, `hand_over` the agreement with the launcher in agi-bin,
`standalone` what a launcher becomes where no server takes its call.
"""
