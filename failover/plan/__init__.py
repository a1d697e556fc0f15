"""A promotion before it is begun: the evidence, what speaks against it, and the plan as a value."""
