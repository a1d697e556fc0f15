"""The carrier, boston, dallas, ns3 and perhaps a witness on one wire, and how to reach them.

`World` opens and closes it; `Machine` is one of them; the rest writes what an admin has written there before anything
is rendered: pair.toml, Asterisk's and BIND's own files, ssh keys.
"""
