import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from pair.public_role import FAR, FARTHEST, LARGEST, PublicRole, RoleAnswer, agreed, believed, newest, parse, text

DALLAS = PublicRole(7, "dallas")
BOSTON = PublicRole(6, "boston")
PAIR = ("boston", "dallas")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("hotstandby=1 machine=dallas epoch=7", DALLAS),
        ("hotstandby=1 machine=denver epoch=7", None),  # not of this pair
        ("hotstandby=2 machine=dallas epoch=7", None),  # a version that we do not know
        ("hotstandby=1 machine=dallas epoch=-7", None),
        ("hotstandby=1 machine=dallas epoch=7 ", None),
        ("hotstandby=1 machine=dallas epoch=" + "7" * 40, None),
        ("v=spf1 -all", None),
        ("", None),
    ],
)
def test_a_record_is_exactly_ours_or_nothing(given: str, expected: PublicRole | None) -> None:
    assert parse(given, PAIR) == expected


def test_what_is_written_reads_back() -> None:
    assert parse(text(DALLAS), PAIR) == DALLAS


def said(server: str, role: PublicRole | None, *, answered: bool = True) -> RoleAnswer:
    return RoleAnswer(server, answered, role, "")


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([said("boston", DALLAS), said("ns3", DALLAS)], DALLAS),
        ([said("boston", DALLAS), said("ns3", BOSTON)], None),  # they differ
        ([said("boston", DALLAS), said("ns3", None)], None),  # one has no record
        ([said("boston", DALLAS), said("ns3", None, answered=False)], DALLAS),  # silence is no answer
        ([said("boston", None, answered=False)], None),
        ([said("dallas", BOSTON), said("ns3", DALLAS)], DALLAS),  # its own word does not count
        ([said("dallas", DALLAS)], None),  # only its own
        ([], None),
    ],
)
def test_name_servers_agree_or_nothing_is_known(answers: list[RoleAnswer], expected: PublicRole | None) -> None:
    assert agreed(answers, leaving_out="dallas") == expected


def test_the_newest_epoch_wins_where_servers_lag() -> None:
    assert newest([said("boston", BOSTON), said("ns3", DALLAS), said("dallas", None)]) == DALLAS


@pytest.mark.parametrize(
    ("told", "known", "epoch", "left_out"),
    [
        ({"boston": 7, "ns3": 8}, 6, 8, set()),
        ({"boston": 7, "ns3": 7 + FAR}, 6, 7 + FAR, set()),  # within what may have happened beside its neighbour
        ({"boston": 7, "ns3": 999_999_999_999}, 7, 7, {"ns3"}),
        ({"ns3": 2_000}, 7, 7, {"ns3"}),  # one word from outside does not decide
        ({"boston": 2_000, "ns3": 2_001}, 7, 2_001, set()),  # this machine was away for long
        ({"boston": 999_999_999, "ns3": 999_999_999}, 7, 7, {"boston", "ns3"}),  # nor do two, that far
        ({}, 7, 7, set()),
    ],
)
def test_a_number_is_believed_for_what_it_is_near_to(
    told: dict[str, int], known: int, epoch: int, left_out: set[str]
) -> None:
    found = believed(told, known)
    assert (found.epoch, set(found.left_out)) == (epoch, left_out)


@drawn(
    st.dictionaries(st.sampled_from(["boston", "dallas", "ns3"]), st.integers(0, 7), min_size=1),
    st.integers(0, 10**13),
    st.integers(0, 7),
)
def test_one_liar_moves_the_count_by_little_and_never_to_its_end(honest: dict[str, int], lie: int, known: int) -> None:
    found = believed({**honest, "liar": lie}, known)
    assert max(known, *honest.values()) <= found.epoch <= max(known, *honest.values()) + FAR
    assert found.epoch < LARGEST


@drawn(st.dictionaries(st.text(max_size=3), st.integers(0, 10**13)), st.integers(0, LARGEST))
def test_however_many_lie_it_stays_within_reach(told: dict[str, int], known: int) -> None:
    assert known <= believed(told, known).epoch <= min(LARGEST, known + FARTHEST)
