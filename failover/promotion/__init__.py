"""A promotion of this machine, from its evidence to its end or from where a kill left it.

`request` is what a person typed, `steps` what a promotion consists of, `open_run` what becomes of a run that an earlier
command left open, `promote` carries it out (`promote`, and `take_back_open` for a demotion), `confirm` notes a person's
word for a step that only they can do.
"""
