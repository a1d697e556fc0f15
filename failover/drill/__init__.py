"""A drill: the calls moved to the other machine and back, for real, measured and reported; and the rehearsal.

`drill` uses the switchover as it is; `report` is what it leaves behind, kept by `store`. `rehearsal` goes through a
promotion's own steps up to where each would change something live.
"""
