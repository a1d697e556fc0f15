"""What runs that were killed left beside the files that they were replacing."""

from __future__ import annotations

from pathlib import Path

from host.atomic import sweep
from host.places import Places
from localized.activation.reload_state import reload_state_file
from localized.generations.rollback import note_file
from localized.generations.store import GenerationStore
from pair.reading import last_valid
from pair.right import word_file


def clear(places: Places, hosts_file: Path) -> None:
    """Completes a swap that was cut short in its bookkeeping, and removes what is half written.

    Under the lock of the localized directory. What lies below `generations/` goes when something is written or
    pruned there.

    Raises:
        OSError: the localized directory cannot be written.
    """
    GenerationStore(places).settle()
    for file in (
        reload_state_file(places),
        word_file(places),
        note_file(places),
        last_valid(places),
        hosts_file.resolve(),
    ):
        sweep(file.parent, file.name)
