import pytest

from failover.dns.public_role import PublicRole, Said, agreed, newest, parse, text

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


def said(server: str, role: PublicRole | None, *, answered: bool = True) -> Said:
    return Said(server, answered, role, "")


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
def test_name_servers_agree_or_nothing_is_known(answers: list[Said], expected: PublicRole | None) -> None:
    assert agreed(answers, leaving_out="dallas") == expected


def test_the_newest_epoch_wins_where_servers_lag() -> None:
    assert newest([said("boston", BOSTON), said("ns3", DALLAS), said("dallas", None)]) == DALLAS
