"""However much somebody makes the server say, its log stays small and says how much it leaves out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agi.server.log_limit import LogRate

HERE = ("a.py", 1, "%s is forged")
THERE = ("a.py", 2, "%s is late")


def test_a_place_has_so_many_lines_in_a_window_and_another_place_its_own() -> None:
    limit = LogRate(most=2, window_s=10)
    assert [limit.lets(HERE, now) for now in (0, 1, 2, 3)] == [True, True, False, False]
    assert limit.lets(THERE, 4)
    assert not limit.ended(9)
    assert limit.ended(10)
    assert limit.left_out() == [("%s is forged", 2)]
    assert limit.left_out() == []
    assert limit.lets(HERE, 11)


def test_a_text_that_changes_with_each_line_is_one_place() -> None:
    limit = LogRate(most=2)
    assert sum(limit.lets(("a.py", 1, f"call {number}"), 0.0) for number in range(100)) == 2
    assert limit.left_out() == [("call 2", 98)]


@given(st.lists(st.tuples(st.sampled_from([HERE, THERE]), st.floats(0, 5))), st.integers(1, 5))
def test_what_is_written_and_what_is_left_out_are_all(
    lines: list[tuple[tuple[str, int, str], float]], most: int
) -> None:
    limit = LogRate(most=most, window_s=10)
    now = 0.0
    written = left_out = 0
    for place, pause in lines:
        now += pause
        if limit.ended(now):
            left_out += sum(count for _, count in limit.left_out())
        written += limit.lets(place, now)
    assert written + left_out + sum(count for _, count in limit.left_out()) == len(lines)
