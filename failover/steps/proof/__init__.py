"""A promotion seen from outside when it is over: a call with audio both ways, registrations, DNS, Domino."""
