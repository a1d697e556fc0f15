"""The Asterisk Manager Interface: bytes, messages and one connection; panoramisk, mended where it is wrong.

`connection` opens one, `session.Session` is one that is logged in, `wire` and `message` are what goes over it.
"""
