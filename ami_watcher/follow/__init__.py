"""Follows one Asterisk for ever: connects, reads its lists again and again, and tells what changed.

`follow.Follower` is the loop, `knowledge` what it knows, `snapshot` what others see of that; `secondary_session` is the
connection for what may take long.
"""
