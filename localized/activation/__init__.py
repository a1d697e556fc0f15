"""A role made true on this machine: swapped, reloaded, and waited for until Asterisk's own lists show it.

`activate` is the whole; `right` is what a primary must hold, `reload_state` what Asterisk has read, `registrations` the
waiting, `retry` what is asked for again meanwhile, `outcome` what it came to.
"""
