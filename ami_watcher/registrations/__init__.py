"""Outbound registrations: what should be held (`expected`), what Asterisk lists (`lists`), and what is done then.

`state_words` is the table of Asterisk's words and `addresses` the comparison of hosts; `registration` follows one,
`registry` all of them, and `reregister` decides when one that Asterisk has given up is asked for again. `role` is
whether this machine may register at all.
"""
