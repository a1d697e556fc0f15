"""Asterisk without an Asterisk: the manager interface from recordings of real ones, and `asterisk -rx`.

tests/world/test_ami_standin.py holds the recordings to the real servers.
"""
