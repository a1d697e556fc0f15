"""agi-server: FastAGI connections and plain AGI processes that launchers hand over, many at once, each by its deadline.

`server.AgiServer` is the whole; `acceptor` takes calls in, within `capacity`; `session` is one call in it, over the
`descriptors` that lead to Asterisk; `hand_over` is the agreement with the launcher in agi-bin; `health` and `metrics`
tell others, `log_limit` keeps the log short. `standalone` is a call without any server.
"""
