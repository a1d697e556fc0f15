"""What the dialplan may ask Domino about a call: the question, its answer, and how both stay fast when Domino is not.

`resolver.Lookups` is what scripts get; `cache`, `breaker` and `in_flight` are the rules that keep calls from waiting.
"""
