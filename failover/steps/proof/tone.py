"""Whether a recording holds a tone: the bytes of a wav file in, what was heard out. No I/O."""

from __future__ import annotations

import array
import io
import math
import statistics
import sys
import wave
from dataclasses import dataclass
from typing import Final

BLOCK_S: Final = 0.1
"""Seconds measured at a time: ten periods of the resolution that tells 440 from 1004 Hz, short enough for gaps."""
QUIETEST_DBFS: Final = -45.0
"""A line that loses more than that is one on which nobody understands anything."""
PURE: Final = 0.5
"""Share of a block's energy that has to be the tone's: speech, music and noise stay far below it."""
ENOUGH: Final = 0.25
"""Share of the blocks that must hold the tone: the other end answers a little earlier or later."""


@dataclass(frozen=True, slots=True)
class ToneHeard:
    """What a recording holds of a tone.

    Attributes:
        tone_hz: which.
        seconds: how long it was there.
        of_s: length of the recording, seconds.
        dbfs: its level while it was there, relative to full scale; -100 for none.
        loudest_dbfs: the loudest block, whatever it was: tells silence from another sound.
    """

    tone_hz: int
    seconds: float
    of_s: float
    dbfs: float
    loudest_dbfs: float

    @property
    def there(self) -> bool:
        """Whether the tone was heard for long enough."""
        return self.of_s > 0 and self.seconds >= ENOUGH * self.of_s

    def __str__(self) -> str:
        if self.there:
            return f"{self.tone_hz} Hz for {self.seconds:.1f} of {self.of_s:.1f} s at {self.dbfs:.0f} dBFS"
        if self.of_s == 0:
            return "nothing was recorded"
        if self.loudest_dbfs < QUIETEST_DBFS:
            return f"silence for {self.of_s:.1f} s where {self.tone_hz} Hz were sent"
        return f"{self.tone_hz} Hz for {self.seconds:.1f} of {self.of_s:.1f} s only; something else was heard"


def measure_tone(data: bytes, tone_hz: int) -> ToneHeard:
    """What a wav file holds of a tone.

    Args:
        data: 16 bit mono PCM, as Asterisk's format_wav writes it; a file cut short is measured as far as it goes, and
            anything else holds nothing.
    """
    samples, rate = _samples(data)
    size = round(rate * BLOCK_S)
    blocks = [samples[at : at + size] for at in range(0, len(samples) - size + 1, size)] if size else []
    levels: list[float] = []
    loudest = -100.0
    for block in blocks:
        total = sum(sample * sample for sample in block) / len(block)
        loudest = max(loudest, _dbfs(total))
        tone = _power(block, tone_hz, rate)
        if _dbfs(tone) >= QUIETEST_DBFS and tone >= PURE * total:
            levels.append(_dbfs(tone))
    level = statistics.median(levels) if levels else -100.0
    return ToneHeard(tone_hz, len(levels) * BLOCK_S, len(blocks) * BLOCK_S, level, loudest)


def _samples(data: bytes) -> tuple[array.array[int], int]:
    nothing: array.array[int] = array.array("h")
    try:
        with wave.open(io.BytesIO(data)) as file:
            if file.getsampwidth() != 2 or file.getnchannels() != 1:
                return nothing, 0
            rate = file.getframerate()
    except (wave.Error, EOFError, RuntimeError):
        # RuntimeError, without words, where a chunk is longer than what holds it (wave._Chunk.seek).
        return nothing, 0
    # The header of a recording that was cut off says that there are no samples; what follows it tells the truth.
    at = data.find(b"data")
    raw = data[at + 8 :] if at >= 0 else b""
    samples = array.array("h", raw[: len(raw) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return samples, rate


def _power(block: array.array[int], tone_hz: int, rate: int) -> float:
    """Mean square of a tone in a block (Goertzel)."""
    turn = 2.0 * math.cos(2.0 * math.pi * tone_hz / rate)
    before = last = 0.0
    for sample in block:
        before, last = last, sample + turn * last - before
    squared = last * last + before * before - turn * last * before
    return 2.0 * squared / len(block) ** 2


def _dbfs(mean_square: float) -> float:
    """Relative to a sine at full scale."""
    return 10.0 * math.log10(mean_square / (32768.0**2 / 2.0)) if mean_square > 0 else -100.0
