"""Which machine this is, as it says itself: one line in localized/machine, the only file that tells the two apart."""

from __future__ import annotations

from collections.abc import Sequence

from host.errors import UsageError
from host.file_reading import read_file, why_unreadable
from host.places import Places


def machine_name(places: Places, machines: Sequence[str] = ()) -> str:
    """What localized/machine says; whether pair.toml has such a machine is for `pair.this_machine`.

    Args:
        machines: what it may say, for the message.

    Raises:
        UsageError: it is missing, or cannot be read.
    """
    path = places.machine_file
    try:
        return read_file(path, 4096).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        choices = " or ".join(f"'{machine}'" for machine in machines) or "its name in pair.toml"
        raise UsageError(
            f"{path} does not say which machine this is ({why_unreadable(error)}). Write {choices} into it, one line."
        ) from None
