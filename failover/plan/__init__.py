"""A promotion before it is begun: what was seen, what would be done, and what refuses it, as one value.

`planning.plan_promotion` makes it and changes nothing that serves; `plan.Plan` is printed, reviewed by its digest, and
carried out by failover.promotion, which decides nothing.
"""
