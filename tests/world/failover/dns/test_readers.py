"""Our readers of named.conf and of zone files, held to BIND's own by generated files."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from failover.bind.named import LocalNamed, ZoneInSeveralViews
from failover.bind.named_conf import ZoneStatement
from failover.bind.proofread import canonical, proofread_edits, require_same, require_unsigned
from failover.bind.zone_edit import edits, require_served, serial_of
from failover.bind.zone_text import ZoneFileUnclear, read_zone
from failover.name_servers.agreement import RecordKey
from tests.world.conftest import cannot
from tests.world.failover.dns.binds import missing

pytestmark = pytest.mark.world

ZONE = "acme.example"
FEW, MANY = range(80), range(80, 2080)


@pytest.fixture(scope="module", autouse=True)
def bind() -> None:
    if (reason := missing()) is not None:
        cannot(reason)


# named.conf: what is meant is drawn first, and then written down in one of the ways in which people write it.


@dataclass
class Meant:
    """What named.conf shall say of the zone in one view."""

    view: str
    kind: str
    file: str
    raw: bool
    primaries: list[str] = field(default_factory=list)
    dynamic: bool = False
    update_policy: bool = False
    inline_signing: bool = False
    policy: str = ""
    keys: str = ""


def any_case(draw: random.Random, word: str) -> str:
    return draw.choice([word, word, word.upper(), word.capitalize()])


def noise(draw: random.Random) -> str:
    comments = [" // type primary; }\n", " # { zone\n", ' /* zone "x" {\n */ ']
    return draw.choice(["", "", " ", "\n", "\t", "\n\n", *comments])


def some_lists(draw: random.Random, lines: list[str]) -> dict[str, list[str]]:
    """Lists of primaries, some of which name others."""
    known: dict[str, list[str]] = {}
    for number in range(draw.randrange(4)):
        name = draw.choice([f"ours{number}", f"a b{number}"])
        items, addresses = some_addresses(draw, known)
        known[name] = addresses
        word = draw.choice(["primaries", "masters"])
        lines.append(f'{any_case(draw, word)} "{name}"{draw.choice(["", " port 5353"])} {{ {items} }};')
    return known


def some_addresses(draw: random.Random, known: dict[str, list[str]]) -> tuple[str, list[str]]:
    items, addresses = [], []
    for _ in range(draw.randrange(1, 4)):
        if known and draw.random() < 0.4:
            name = draw.choice(list(known))
            items.append(f'"{name}";')
            addresses += known[name]
        else:
            address = draw.choice(["192.0.2.11", "192.0.2.12", "2001:db8::12", "10.0.0.1"])
            items.append(address + draw.choice(["", " port 53", " key k", ' port 5353 key "k"']) + ";")
            addresses.append(address)
    return noise(draw).join(items), addresses


def one_zone(
    draw: random.Random, view: str, known: dict[str, list[str]], above: Sequence[dict[str, str]]
) -> tuple[Meant, str]:
    kind = draw.choice(["primary", "secondary"])
    word = draw.choice({"primary": ["primary", "master"], "secondary": ["secondary", "slave"]}[kind])
    own: dict[str, str] = {}
    # One file for each view: named-checkconf refuses two that are written to.
    file = draw.choice(["acme.db", "sub dir/acme;.db", "/srv/zones/acme.db", "db.{acme}"]) + view
    lines = [f"type {any_case(draw, word)};", f'file "{file}";']
    if draw.random() < 0.4:
        own["masterfile-format"] = draw.choice(["text", "raw"])
    meant = Meant(view, kind, file, False)
    if kind == "secondary":
        items, meant.primaries = some_addresses(draw, known)
        lines.append(f"{draw.choice(['primaries', 'masters'])}{draw.choice(['', ' port 5353'])} {{ {items} }};")
    else:
        chosen = draw.choice(["", "policy", "none", "key"])
        if chosen == "policy":
            meant.update_policy = True
            lines.append("update-policy { grant k zonesub ANY; };")
        elif chosen == "none":
            own["allow-update"] = "{ none; }"
        elif chosen == "key":
            own["allow-update"] = draw.choice(["{ key k; }", "{ none; key k; }", "{ 10.0.0.0/8; }"])
        if draw.random() < 0.4:
            meant.inline_signing = True
            own["dnssec-policy"] = "default"
            lines.append(f"inline-signing {any_case(draw, 'yes')};")
        if draw.random() < 0.3:
            own["key-directory"] = '"keys"'
    lines += [f"{name} {value};" for name, value in own.items()]
    levels = [own, *above]

    def inherited(name: str) -> str:
        return next((level[name] for level in levels if name in level), "")

    written = inherited("masterfile-format")
    meant.raw = written == "raw" or (kind == "secondary" and not written)
    allowed = inherited("allow-update")
    meant.dynamic = meant.update_policy or allowed not in ("", "{ none; }")
    meant.policy = inherited("dnssec-policy")
    meant.keys = inherited("key-directory").strip('"')
    draw.shuffle(lines)
    name = draw.choice([f'"{ZONE}"', ZONE, f'"{ZONE.upper()}"', f'"{ZONE}."'])
    opening = f"{any_case(draw, 'zone')} {name}{draw.choice(['', ' IN', ' in'])} {{"
    body = noise(draw).join(["", *lines, ""])
    return meant, f"{opening}{body}}};\n"


def configuration(seed: int, directory: Path) -> tuple[Path, list[Meant]]:
    """A named.conf, in one file or more."""
    draw = random.Random(seed)
    lines: list[str] = ['key k { algorithm hmac-sha256; secret "bm90IGEg c2VjcmV0"; };']
    known = some_lists(draw, lines)
    options = {"directory": f'"{directory}"'}
    if draw.random() < 0.5:
        options["masterfile-format"] = draw.choice(["text", "raw"])
    if draw.random() < 0.3:
        options["key-directory"] = '"all keys"'
    if draw.random() < 0.2:
        options["allow-update"] = draw.choice(["{ none; }", "{ key k; }"])
    body = noise(draw).join(f"{name} {value};" for name, value in options.items())
    lines.insert(draw.randrange(len(lines) + 1), f"{any_case(draw, 'options')} {{ {body} }};")
    found: list[Meant] = []
    other = 'zone "other.example" { type primary; file "other.db"; };'
    if draw.random() < 0.5:
        meant, text = one_zone(draw, "", known, [options])
        found.append(meant)
        lines += [text, other]
    else:
        views = draw.sample(["internal", "external", "third view"], draw.randrange(1, 4))
        for view in views:
            own = {} if draw.random() < 0.6 else {"masterfile-format": draw.choice(["text", "raw"])}
            meant, text = one_zone(draw, view, known, [own, options])
            inner = [
                text,
                other.replace("other", f"o{len(found)}"),
                *(f"{name} {value};" for name, value in own.items()),
            ]
            draw.shuffle(inner)
            found.append(meant)
            lines.append(f'{any_case(draw, "view")} "{view}" {{ {noise(draw).join(inner)} }};')
        if draw.random() < 0.3:
            lines.append(f'view "last" {{ zone "{ZONE}" {{ in-view "{views[0]}"; }}; }};')
    main = directory / "named.conf"
    if draw.random() < 0.4:
        (directory / "part.conf").write_text("".join(f"{noise(draw)}{line}" for line in lines[1:]))
        lines = [lines[0], f'include "{directory}/part.conf";']
    main.write_text("".join(f"{noise(draw)}{line}{noise(draw)}" for line in lines))
    return main, found


def read_as_meant(seed: int, directory: Path) -> None:
    main, meant = configuration(seed, directory)
    said = subprocess.run(["named-checkconf", str(main)], capture_output=True, text=True, check=False)
    assert said.returncode == 0, (said.stdout, main.read_text())
    bind = LocalNamed(main, ("rndc",))
    found = bind.configuration().of(ZONE)
    expected = [
        ZoneStatement(
            name=ZONE,
            view=one.view,
            kind=one.kind,
            file=directory / one.file,
            raw=one.raw,
            primaries=tuple(one.primaries),
            unresolved=(),
            dynamic=one.dynamic,
            update_policy=one.update_policy,
            inline_signing=one.inline_signing,
            dnssec_policy=one.policy,
            key_directory=directory / (one.keys or "."),
        )
        for one in meant
    ]
    assert list(found) == expected, (seed, main.read_text())
    if len(meant) == 1:
        assert bind.block(ZONE) == found[0]
    else:
        with pytest.raises(ZoneInSeveralViews):
            bind.block(ZONE)
        assert LocalNamed(main, ("rndc",), view=meant[-1].view).block(ZONE) == found[-1]


def test_named_conf_is_read_as_it_is_meant(tmp_path: Path) -> None:
    for seed in FEW:
        read_as_meant(seed, tmp_path)


@pytest.mark.soak
def test_thousands_of_named_confs_are_read_as_they_are_meant(tmp_path: Path) -> None:
    for seed in MANY:
        read_as_meant(seed, tmp_path)


# Zone files.

WANT: dict[RecordKey, frozenset[str]] = {
    ("pbx", "A"): frozenset({"192.0.2.12"}),
    ("pbx", "AAAA"): frozenset(),
    ("voice", "AAAA"): frozenset({"2001:db8::12"}),
    ("@", "A"): frozenset({"192.0.2.22"}),
    ("_failover", "TXT"): frozenset({"hotstandby=1 machine=dallas epoch=7"}),
}
STRANGERS = [
    "www {f} CNAME pbx",
    "@ {f} MX 10 mail",
    "mail {f} A 192.0.2.30",
    " {f} AAAA 2001:db8::30",
    'txt {f} TXT "a ; b ( c" "d\\"e" plain\\;x',
    'büro {f} TXT "ä"',
    "b\\195\\188ro2 {f} TXT x",
    '"quoted" {f} A 192.0.2.31',
    "t1 {f} TYPE1 \\# 4 C000021F",
    "t16 {f} TYPE16 \\# 3 026162",
    "t65400 {f} TYPE65400 \\# 2 abcd",
    "_sip._udp {f} SRV 0 0 5060 pbx",
    "long {f} TXT ( one ; two\n\tthree )",
    "in {f} A 192.0.2.32",
    "3600 {f} A 192.0.2.33",
    'caa {f} CAA 0 issue "ca.example"',
    "*.wild {f} A 192.0.2.34",
    "sub {f} NS ns1",
    "host.sub {f} A 192.0.2.35",
    "pbx2 {f} A 192.0.2.36",
    'naptr {f} NAPTR 10 10 "u" "E2U+sip" "!^.*$!sip:x@acme.example!" .',
    "$GENERATE 1-3 gen$ A 192.0.2.10$",
    "$GENERATE 0-4/2 g${0,3,d} CNAME www",
    "$ORIGIN office",
    "$ORIGIN acme.example.",
    "$TTL 2h",
    "; a comment with pbx IN A 192.0.2.11",
    "",
]
HERE = "$ORIGIN acme.example.\n"
OURS = {
    ("pbx", "A"): [
        HERE + "pbx {f} A 192.0.2.11",
        HERE + "PBX {f} A ( 192.0.2.11 ) ; here",
        "pbx.acme.example. {f} TYPE1 \\# 4 C000020B",
        HERE + '"pbx" {f} a 192.0.2.11',
        HERE + "\\112bx {f} A 192.0.2.11",
        "pbx.ACME.example. {f} TYPE1 192.0.2.11",
    ],
    ("pbx", "AAAA"): [HERE + "pbx {f} AAAA 2001:db8::11", "pbx.acme.example. {f} TYPE28 2001:DB8:0::11"],
    ("voice", "AAAA"): [HERE + "voice {f} AAAA 2001:db8::11"],
    ("@", "A"): [HERE + "@ {f} A 192.0.2.21", "acme.example. {f} A 192.0.2.21"],
    ("_failover", "TXT"): [HERE + '_failover {f} TXT "hotstandby=1 machine=boston" " epoch=6"'],
}
REFUSED = [
    ("pbx CNAME www", "pbx", "alias"),
    ("voice NS ns1", "voice", "delegated"),
    ("voice NS ns1", "a.b.voice", "delegated"),
    ("@ DNAME other.example.", "pbx", "DNAME"),
    ("$GENERATE 1-2 pb$ A 192.0.2.11", "pb1", "GENERATE"),
    ("$GENERATE 1-1 ${0,3,x}voice 30 IN AAAA 2001:db8::$", "001voice", "GENERATE"),
    ("$GENERATE 1-2 pb$ CLASS1 TYPE1 192.0.2.11", "PB2", "GENERATE"),
    ("$GENERATE 1-2 pb$ CNAME www", "pb2", "GENERATE"),
]


def zone_file(seed: int, directory: Path) -> Path:
    draw = random.Random(seed)
    default = draw.random() < 0.7

    def fields() -> str:
        ttl = draw.choice(["", "", "30", "1h30m", "5M"])
        cls = draw.choice(["", "IN", "in", "CLASS1"])
        parts = [ttl, cls] if draw.random() < 0.5 else [cls, ttl]
        return draw.choice([" ", "\t", "  "]).join(part for part in parts if part)

    body: list[str] = []
    for _ in range(draw.randrange(12)):
        line = draw.choice(STRANGERS)
        if line.startswith(" ") and not body:
            continue
        body.append(line.format(f=fields()) if "{f}" in line else line)
    for spellings in OURS.values():
        for _ in range(draw.choice([0, 1, 1, 1, 2])):
            line = draw.choice(spellings).format(f=fields())
            body.insert(draw.randrange(len(body) + 1), line)
    serial = draw.choice(["(\n\t7 ; serial\n\t1d 2h\n\t4w 1h )", "( 7 1d 2h 4w 1h )", "7 1 2 3 4"])
    head = ["$TTL 1h"] if default else []
    head += [f"@ {'' if default else '600'} IN SOA ns1 hostmaster {serial}", " NS ns1", "ns1 A 192.0.2.53"]
    if draw.random() < 0.3 and body:
        cut = draw.randrange(len(body))
        name = directory / "part.inc"
        name.write_bytes(("\n".join(["$ORIGIN acme.example.", *body[cut:]]) + "\n").encode())
        body = [*body[:cut], draw.choice(["$INCLUDE part.inc", f'$INCLUDE "{name}" acme.example.'])]
    end = draw.choice(["\n", "\n", "\r\n"])
    text = end.join([*head, *body]) + draw.choice([end, ""])
    main = directory / "acme.db"
    main.write_bytes(text.encode())
    return main


def printed(main: Path) -> list[str]:
    """Every record, as named-checkzone prints it, without the serial."""
    argv = [
        "named-checkzone",
        "-D",
        "-o",
        "-",
        "-s",
        "full",
        "-i",
        "none",
        "-k",
        "ignore",
        "-w",
        str(main.parent),
        ZONE,
        str(main),
    ]
    said = subprocess.run(argv, capture_output=True, text=True, check=False)
    if said.returncode != 0:
        return []
    split = (line.split(None, 1) for line in said.stdout.splitlines())
    return [" ".join([owner.lower(), *rest.split()]) for owner, rest in split]


def edited(seed: int, directory: Path) -> str:
    """Edits one, and holds what BIND reads of it to what was meant. Returns how it went."""
    main = zone_file(seed, directory)
    conf = directory / "named.conf"
    conf.write_text(f'options {{ directory "{directory}"; }};\n')
    before = printed(main)
    if not before:
        return "no zone"  # BIND refuses it; so it is not served either
    bind = LocalNamed(conf, ("rndc",))
    try:
        records = canonical(bind.canonical(ZONE, main))
        require_unsigned(records, main)
        zone = read_zone(main, ZONE, Path.read_bytes, directory)
        require_served(zone, ZONE, WANT)
        require_same(zone, ZONE, records, WANT)
        assert serial_of(zone, ZONE) == 7
        made = edits(zone, ZONE, WANT, serial=8, ttl_s=30)
        changed = proofread_edits(zone, ZONE, made, WANT, bind, records)
    except ZoneFileUnclear as error:
        assert printed(main) == before
        return f"refused: {str(error).split(':')[-1][:60]}"
    for path, data in changed.items():
        path.write_bytes(data)
    after = printed(main)
    meant = {(f"{name}.{ZONE}.".removeprefix("@."), kind) for name, kind in WANT}

    def others(lines: list[str]) -> list[str]:
        kept = [line.split(" ", 4) for line in lines]
        return sorted(" ".join(words) for words in kept if (words[0], words[3]) not in meant and words[3] != "SOA")

    assert others(after) == others(before), (seed, main.read_text())
    found: dict[tuple[str, str], set[str]] = {}
    for words in (line.split(" ", 4) for line in after):
        found.setdefault((words[0], words[3]), set()).add(words[4].strip('"'))
    for (name, kind), values in WANT.items():
        assert found.get((f"{name}.{ZONE}.".removeprefix("@."), kind), set()) == set(values), (seed, main.read_text())
    [soa] = [line for line in after if " SOA " in line]
    assert soa.replace(" 8 ", " 7 ") in before
    return "edited"


def all_of(seeds: range, directory: Path) -> None:
    verdicts = []
    for seed in seeds:
        for path in directory.iterdir():
            path.unlink()
        verdicts.append(edited(seed, directory))
    refused = [one for one in verdicts if one.startswith("refused")]
    # Without a $TTL a TTL that is taken away or added may be another record's: some are refused, most are done.
    assert verdicts.count("edited") > len(seeds) * 0.7, sorted(set(refused))
    assert len(refused) < len(seeds) * 0.1, sorted(set(refused))


def test_of_a_zone_only_what_was_meant_changes(tmp_path: Path) -> None:
    all_of(FEW, tmp_path)


@pytest.mark.soak
def test_of_thousands_of_zones_only_what_was_meant_changes(tmp_path: Path) -> None:
    all_of(MANY, tmp_path)


@pytest.mark.parametrize(("line", "name", "words"), REFUSED)
def test_a_name_that_its_own_line_does_not_decide_is_refused(tmp_path: Path, line: str, name: str, words: str) -> None:
    main = tmp_path / "acme.db"
    main.write_text(f"$TTL 1h\n@ SOA ns1 h 7 1 2 3 4\n NS ns1\nns1 A 192.0.2.53\n{line}\n")
    zone = read_zone(main, ZONE, Path.read_bytes, tmp_path)
    with pytest.raises(ZoneFileUnclear, match=rf"acme\.db:5: .*{words}"):
        require_served(zone, ZONE, [(name, "A")])
