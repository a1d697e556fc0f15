"""A role made true on this machine: swapped, reloaded, and waited for until Asterisk's own lists show it.

`activate` is the whole. Before it: `right` is what a primary must hold, `probe` proves that Asterisk can. In it:
`reload_state` is what Asterisk has certainly read, `following` reloads the rest, `registration_wait` reads the lists
until they are as expected, `retry` says what is asked for again meanwhile, `comparison` what is missing; `hosts_file`
holds our block of /etc/hosts. After it: `outcome` is what it came to, `sentences` says so; `cleanup` removes what runs
that were killed left.
"""
