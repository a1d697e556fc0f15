"""What can go wrong with the lab itself, as opposed to what is tested in it."""

from __future__ import annotations

from host.errors import HotstandbyError


class LabError(HotstandbyError):
    """The lab could not do what it was asked."""


class LabUnavailable(LabError):
    """The lab cannot run here; the message is the one missing thing."""
