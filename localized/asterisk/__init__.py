"""Asterisk as a program on this machine: its files read as it reads them, its reloads, and its log.

`configuration` reads a file with all that it includes (`comments` and `sections` are its grammar, `files` the disk,
`include_paths` whose file is whose), `sorcery` says where PJSIP objects come from. `reload` is `asterisk -rx`; `log`
reads what Asterisk writes of it, `refusals` what that means.
"""
