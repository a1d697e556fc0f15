"""Readers of Asterisk's configuration and log, the hosts file, generations."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from host.errors import HotstandbyError
from localized.activation import hosts_file, reload_state
from localized.asterisk import comments, configuration, files, refusals
from localized.generations import generation, rollback
from localized.render import register_line, syntax, untrusted
from tests.fuzz.readers.reader import MANIFEST, Reader, filed, places, read_manifest, text, whole


def _conf(data: bytes, directory: Path) -> object:
    (directory / "sip.conf").write_bytes(data)
    found = configuration.read_conf("sip.conf", str(directory), files.LocalDisk())
    assert found is not None
    return found, configuration.read_text(data)


def _registers(line: str) -> object:
    return register_line.read_sip(line), register_line.read_iax(line), register_line.read_sip_line(line)


def _comments(data: bytes) -> object:
    depth = comments.CommentDepth()
    for line in data.decode("utf-8", "surrogateescape").split("\n"):
        if len(line) <= configuration.LINE_LIMIT:  # its one caller passes over a longer one, as Asterisk does
            _, depth = comments.without_comments(line, depth)
    return depth


def _written(value: str) -> object:
    given = untrusted.Untrusted(value, "a value")
    done = []
    for function in (
        syntax.asterisk_value,
        syntax.sip_user,
        syntax.sip_host,
        syntax.named_string,
        syntax.hosts_name,
        syntax.unison_value,
        syntax.markdown,
    ):
        try:
            done.append(function(given))
        except syntax.Unwritable:
            continue
    return done


def _hosts(data: bytes, _: Path) -> object:
    block = b"192.0.2.1 domino-local\n"
    try:
        hosts_file.with_block(data, block)
        hosts_file.with_block(data, b"")
    except hosts_file.BlockDamaged:
        pass
    return [one.sentence(Path("/etc/hosts")) for one in hosts_file.other_lines(data, block)]


def _cloud(data: bytes, directory: Path) -> object:
    for name in ("cloud.cfg", "merged.json", "hosts"):
        (directory / name).write_bytes(data)
    return hosts_file.troubles(
        directory / "hosts", b"192.0.2.1 domino-local\n", cloud=directory, merged=directory / "merged.json"
    )


LOG: Final = (
    b"[Nov 26 00:00:00] ERROR[7] res_sorcery_config.c: Could not create an object of type 'auth' with id 'acme' from "
    b"configuration file 'pjsip.conf'\n[Nov 26 00:00:01] WARNING[7] chan_sip.c: Registration from 'x' refused (403)\n"
)


CONF: Final = (
    b"[general](!) ; template\nregister => u:p@sip.acme.example:5060/2000~120\n;-- block\n--;\n[acme](general,+)\n"
    b'secret=a\\;b\n#include "more.conf"\n#include x/{a,b}*.conf\n[nova](+type=registration)\ntype=registration\n'
)


READERS: Final[tuple[Reader, ...]] = (
    Reader("Asterisk's configuration", configuration, _conf, (CONF,)),
    Reader("comments of Asterisk's configuration", comments, whole(_comments), (CONF,)),
    Reader(
        "register =>",
        register_line,
        text(_registers),
        (b"peer?tls://user@dom:1:pw:auth@host:5061/2000~60", b'"a":"b"@[2001:db8::1]'),
    ),
    Reader("Asterisk's log", refusals, text(refusals.read_log), (LOG,)),
    Reader("a value to be written", syntax, text(_written), (b"a value; with [things]",)),
    Reader("the hosts file", hosts_file, _hosts, (b"127.0.0.1 localhost\n# BEGIN hotstandby\n# END hotstandby\n",)),
    Reader("cloud-init's files", hosts_file, _cloud, (b"manage_etc_hosts: true\n", b'{"manage_etc_hosts": true}')),
    Reader("a manifest", generation, read_manifest, (MANIFEST,), (HotstandbyError,)),
    Reader(
        "what Asterisk has loaded",
        reload_state,
        filed(
            "localized-loaded.json",
            lambda at: (read_manifest(MANIFEST, at), reload_state.ReloadState(places(at)).name()),
        ),
        (b'{"generation": "1-standby-0123456789ab", "swapped_ns": 1}',),
    ),
    Reader(
        "the note of a rollback",
        rollback,
        filed("localized-rollback", lambda at: rollback.Rollback(places(at))._noted()),
        (b"1-standby-0123456789ab\n",),
    ),
    Reader(
        "an include's pattern",
        files,
        text(lambda one: list(files.LocalDisk().glob("/nowhere/" + one[:200]))),
        (b"{a,b}*.conf",),
    ),
)
