"""Asterisk without an Asterisk: the manager interface from recordings of real ones, and `asterisk -rx`.

tests/world/ami_watcher/test_recordings.py holds the recordings to the real servers.
"""
