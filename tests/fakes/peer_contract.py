"""What asking a machine over ssh comes to, for each way in which it may behave: the fake ssh and the real one agree.

tests/failover/peer/test_fake_ssh.py asks the fake, tests/world/failover/test_fake_ssh.py OpenSSH.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.fakes.two_machines import Ssh

PROGRAM: Final = """
from failover.errors import FailoverError
from failover.peer.remote import Peer
peer = Peer(here)
seen = peer.probe_status(deadline_s=30)
try:
    digest = peer.digest(deadline_s=30).machine
except FailoverError as error:
    digest = type(error).__name__
print(json.dumps({"status": seen.found.answer.value, "machine": seen.status and seen.status.machine, "digest": digest}))
"""
"""Asks for its status, then for its digest; `here` is the asker's context, and `json` is imported."""

EXPECTED: Final[Mapping[Ssh, Mapping[str, str | None]]] = {
    Ssh.ANSWERS: {"status": "yes", "machine": "boston", "digest": "boston"},
    Ssh.HANGS: {"status": "silent", "machine": None, "digest": "PeerSilent"},
    Ssh.REFUSED: {"status": "refused", "machine": None, "digest": "PeerSilent"},
    Ssh.UNKNOWN_KEY: {"status": "odd", "machine": None, "digest": "PeerSilent"},
    Ssh.OTHER_PROGRAM: {"status": "odd", "machine": None, "digest": "AnswerUnreadable"},
    Ssh.OLD_VERSION: {"status": "yes", "machine": "boston", "digest": "PeerRefused"},
    Ssh.LOST_ANSWER: {"status": "yes", "machine": "boston", "digest": "PeerSilent"},
}
"""Behaviour of boston -> what dallas makes of it."""
