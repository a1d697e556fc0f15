"""What the dialplan may ask Domino about a call: the question, its answer, and how both stay fast when Domino is not.

`resolver.LookupResolver` is what scripts get as `services.lookups`; `cache`, `breaker` and `in_flight` are the rules
that keep calls from waiting.
"""
