"""A computer made of namespaces: power, a cable, a disk, processes, and the Debian roots that its Asterisk comes from.

`Computer` is what has power and a cable; `Systemd` boots a real one on it. What a machine of the pair has installed is
lab.world's.
"""
