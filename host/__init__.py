"""The machine we stand on: files, locks, commands, hooks, clocks, written once and used by all rooms.

Nothing here knows about Asterisk, DNS or a pair. What can be decided elsewhere is not decided here;
each module does one outside thing, by a deadline where it could wait, and says in our words what went wrong.
"""
