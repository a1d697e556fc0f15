"""A Domino web server that is none: formats, logins and sites of the real one, and every way in which it fails.

`with Domino.serving(data) as domino:` serves in the test's process; `python -m lab.domino` is a process of its own.
`phone_book` puts one, agi-server and a dialplan that looks callers up on a machine of the world.
"""

from lab.domino.content import Agent, Data, Database, Request, Service, Site, View, from_json
from lab.domino.pages import Record
from lab.domino.server import Domino, Trouble

__all__ = [
    "Agent",
    "Data",
    "Database",
    "Domino",
    "Record",
    "Request",
    "Service",
    "Site",
    "Trouble",
    "View",
    "from_json",
]
