"""What a run wrote down before it acted, and what follows from that after a kill.

`journal.Journal` is the file, `run.Run` the value that its lines tell, `recovery` the decision about one left open.
"""
