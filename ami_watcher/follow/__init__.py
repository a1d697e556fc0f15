"""Follows one Asterisk for ever: connects, reads its lists again and again, and tells what changed.

`follow.Follower` connects anew; `primary_session` polls the registrations, `secondary_session` does what may take long.
`asterisk_state` is what both know, `snapshot` what others see of that, `settings` the durations of pair.toml.
"""
