"""Who shall be primary, and the switch itself: evidence, plan, steps, journal, and the way back.

A promotion is a list of steps, each with the same few verbs (`runner.step.Step`), carried out by one runner that
writes into a journal before it touches anything. What is left after a kill is read from the journal as a value
(`journal.run.Run`), and a pure function (`journal.recovery.decide_recovery`) says whether to go on, to undo to standby,
or that there is nothing to do.

Rooms, the lowest first: `state`, `journal` (this machine's files), `peer`, `name_servers`, `bind` (who is asked),
`runner` (the contract of a step), `probes`, `demotion`, `steps`, `facts` and `overview` (what is known of both
machines), `checks`, `plan`, `promotion`, `drill`, `peer_handlers` (what the peer may have this machine do), `commands`.
Nothing imports this package.
"""
