"""Who shall be primary, and the switch itself: evidence, plan, steps, journal, and the way back.

A promotion is a list of steps, each with the same few verbs (`step.Step`), carried out by one runner that writes
into a journal before it touches anything. What is left after a kill is read from the journal as a value (`run.Run`),
and a pure function (`recovery.decide`) says whether to go on, to undo to standby, or that there is nothing to do.
Files whose names begin with `dns_`, `zone_` or `carrier_` are the edges and rules of these two steps.
Nothing imports this room.
"""
