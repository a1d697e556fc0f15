"""What a recording says, what a call's result means, and which numbers are never dialled."""

from __future__ import annotations

import array
import io
import math
import random
import wave
from pathlib import Path

import pytest

from failover.steps.proof.call import CallResult, dial_string
from failover.steps.proof.tone import ToneHeard, measure_tone
from pair import Pair, PairInvalid, parse
from tests.pair.example import EXAMPLE

RATE = 8000
FULL = 32767.0


def wav(samples: list[float]) -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(array.array("h", [round(max(-FULL, min(FULL, one))) for one in samples]).tobytes())
    return made.getvalue()


def tone(hz: float, seconds: float, dbfs: float = -13.0) -> list[float]:
    peak = FULL * 10 ** (dbfs / 20)
    return [peak * math.sin(2 * math.pi * hz * at / RATE) for at in range(round(seconds * RATE))]


def silence(seconds: float) -> list[float]:
    return [0.0] * round(seconds * RATE)


def noise(seconds: float, dbfs: float) -> list[float]:
    chance = random.Random(1)
    peak = FULL * 10 ** (dbfs / 20)
    return [chance.gauss(0.0, peak / math.sqrt(2)) for _ in range(round(seconds * RATE))]


def test_a_tone_is_heard_for_as_long_as_it_is_there_at_its_level() -> None:
    found = measure_tone(wav(silence(0.5) + tone(1004, 1.5, -20.0)), 1004)
    assert found.there
    assert found.seconds == pytest.approx(1.5)
    assert found.of_s == pytest.approx(2.0)
    assert found.dbfs == pytest.approx(-20.0, abs=0.5)


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (silence(2.0), "silence for 2.0 s where 1004 Hz were sent"),
        (tone(440, 2.0), "1004 Hz for 0.0 of 2.0 s only; something else was heard"),  # our own tone, not the other's
        (noise(2.0, -13.0), "1004 Hz for 0.0 of 2.0 s only; something else was heard"),
        (tone(1004, 2.0, -60.0), "silence for 2.0 s where 1004 Hz were sent"),
        (tone(1004, 0.3) + silence(1.7), "1004 Hz for 0.3 of 2.0 s only; something else was heard"),
        ([], "nothing was recorded"),
    ],
    ids=["silence", "the other tone", "noise", "too quiet", "too short", "nothing"],
)
def test_anything_else_is_not_taken_for_the_tone(samples: list[float], words: str) -> None:
    found = measure_tone(wav(samples), 1004)
    assert not found.there
    assert str(found) == words


def test_a_tone_is_heard_through_the_noise_of_a_line() -> None:
    mixed = [one + other for one, other in zip(tone(440, 2.0), noise(2.0, -25.0), strict=True)]
    assert measure_tone(wav(mixed), 440).there


def test_a_recording_that_was_cut_off_is_measured_as_far_as_it_goes() -> None:
    whole = wav(tone(440, 2.0))
    unfinished = whole[:40] + b"\0\0\0\0" + whole[44 : 44 + RATE]  # no samples, says the header; half a second is there
    assert measure_tone(unfinished, 440).seconds == pytest.approx(0.5)


@pytest.mark.parametrize("data", [b"", b"RIFF", b"not a recording at all", wav(tone(440, 1.0))[:30]])
def test_what_is_no_recording_holds_nothing(data: bytes) -> None:
    assert not measure_tone(data, 440).there


GOOD = ToneHeard(1004, 2.0, 2.0, -13.0, -13.0)
QUIET = ToneHeard(1004, 0.0, 2.0, -100.0, -100.0)


@pytest.mark.parametrize(
    ("called", "problem"),
    [
        (CallResult("SIP/1@a", "ANSWER", 16, GOOD, GOOD, 3.0), ""),
        (CallResult("SIP/1@a", "ANSWER", 16, QUIET, GOOD, 3.0), "outward: silence for 2.0 s where 1004 Hz were sent"),
        (CallResult("SIP/1@a", "ANSWER", 16, GOOD, None, 3.0), "inward: nothing was recorded"),
        (CallResult("SIP/1@a", "BUSY", 17, None, None, 1.0), "it is busy (cause 17)"),
        (CallResult("SIP/1@a", "", 0, None, None, 17.0), "it did not end within 17 s, and was hung up"),
    ],
)
def test_a_call_is_good_when_each_end_heard_the_other(called: CallResult, problem: str) -> None:
    assert called.problem == problem


def test_a_call_that_somebody_else_answered_proves_nothing_about_this_machine() -> None:
    assert "it was not this machine" in CallResult("SIP/1@a", "ANSWER", 16, None, None, 3.0).problem


def pair(proof: str) -> Pair:
    return parse((EXAMPLE + proof).encode(), Path("pair.toml"))


@pytest.mark.parametrize("number", ["911", "112", "9113334444", "+9115551234", "9911555", "19", "555123", "555-1234x"])
def test_a_number_of_the_police_is_never_dialled(number: str) -> None:
    with pytest.raises(PairInvalid, match=r"proof\.number"):
        pair(f'\n[proof]\ntrunk = "acme"\nnumber = "{number}"\n')


def test_a_trunk_that_does_not_exist_is_named_with_the_nearest_one() -> None:
    with pytest.raises(PairInvalid, match=r"proof\.trunk.*'acmee'.*acme"):
        pair('\n[proof]\ntrunk = "acmee"\nnumber = "+16175550100"\n')


def test_the_number_is_dialled_through_the_trunk_as_its_driver_wants_it() -> None:
    made = pair('\n[proof]\ntrunk = "acme"\nnumber = "+16175550100"\nthrough = "acme-out"\n')
    assert made.proof is not None
    assert dial_string(made, "boston", made.proof) == "SIP/+16175550100@acme-out"
