"""Makes this machine standby, whatever else is broken; `killing` ends an Asterisk that does not obey."""
