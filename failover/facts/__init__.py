"""What is known of the pair at one moment, as the checks and a plan look at it.

`facts.Facts` is the one frozen value; what was not seen stays unseen in it. `gather` makes all of it for `failover
ready` and `check`, `gather_plan` as much as a promotion needs; the other files are one look each. `shared_facts` is
what should be the same on both machines, as this one has it.
"""
