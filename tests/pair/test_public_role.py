import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from pair.public_role import (
    FAR,
    FARTHEST,
    LARGEST,
    PublicRole,
    RoleAnswer,
    agreed,
    believed,
    later,
    newest,
    parse,
    sane,
    text,
)

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


FAR_OFF = PublicRole(7 + FAR + 1, "dallas")


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({"ns3": PublicRole(8, "dallas")}, (PublicRole(8, "dallas"), ("ns3",))),  # one witness is enough
        (
            {"ns3": PublicRole(8, "dallas"), "dallas": PublicRole(9, "dallas"), "ns4": PublicRole(9, "dallas")},
            (PublicRole(9, "dallas"), ("dallas", "ns4")),
        ),
        ({"ns3": PublicRole(7, "dallas")}, None),  # as old as ours
        ({"ns3": PublicRole(8, "boston")}, None),  # our own later one
        ({"ns3": FAR_OFF}, None),  # one liar overtakes nobody
        ({"ns3": FAR_OFF, "ns4": FAR_OFF}, (FAR_OFF, ("ns3", "ns4"))),
        ({}, None),
    ],
)
def test_a_later_promotion_of_the_other_machine_overtakes(
    told: dict[str, PublicRole], found: tuple[PublicRole, tuple[str, ...]] | None
) -> None:
    assert later("boston", 7, told) == found


@drawn(st.dictionaries(st.sampled_from("abcd"), st.builds(PublicRole, st.integers(0, LARGEST), st.sampled_from(PAIR))))
def test_whatever_is_told_only_another_machines_later_promotion_overtakes(told: dict[str, PublicRole]) -> None:
    found = later("boston", 7, told)
    if found is not None:
        assert found[0].machine == "dallas"
        assert found[0].epoch > 7
        assert all(told[witness] == found[0] for witness in found[1])


def test_a_role_is_told_with_its_epoch() -> None:
    assert str(DALLAS) == "dallas (epoch 7)"
    assert [sane(epoch) for epoch in (-1, 0, 7, LARGEST, LARGEST + 1)] == [0, 0, 7, LARGEST, 0]
