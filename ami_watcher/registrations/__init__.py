"""Outbound registrations: what should be held (`expected`), what Asterisk lists (`lists`), and what is done then.

`registration` says what one driver's words mean, `registry` follows all of them, `reregister` decides when one that
Asterisk has given up is asked for again.
"""
