"""Phones and peers: who is registered here (`contact`), who was and is missing (`inventory`), on either machine.

`exchange` is the directory in which the two machines tell each other.
"""
