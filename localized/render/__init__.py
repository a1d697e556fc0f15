"""From pair.toml, machine, role and secrets to bytes: Asterisk's includes, BIND's zones, the hosts block. Pure.

`render` makes the files (`rendered`) from templates, which see `facts`; text from outside is `untrusted` until a filter
of `syntax` has written it for the file that it goes into; `register_line` knows chan_sip's and chan_iax2's lines.
"""
