"""How long to wait before the next attempt to connect."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Pauses that double, each shortened by chance, so that a hundred watchers do not knock at once.

    Attributes:
        first_s: the first pause, seconds.
        most_s: no pause is longer.
        chance: what shortens them; a seeded one in tests.
    """

    first_s: float
    most_s: float
    chance: random.Random = field(default_factory=random.SystemRandom)
    _count: int = 0

    def pause_s(self) -> float:
        """The pause before the next attempt: between half and all of what doubling gives."""
        whole: float = min(self.first_s * 2 ** float(min(self._count, 32)), self.most_s)
        self._count += 1
        return whole * (0.5 + self.chance.random() / 2)

    def reset(self) -> None:
        """An attempt succeeded."""
        self._count = 0
