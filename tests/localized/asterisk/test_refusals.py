"""Sentences of Asterisk's log: what was refused, by whom, and no value with them. Lines are those of 16 and 22."""

from __future__ import annotations

from pathlib import Path

import pytest

from localized.asterisk.log import _ROW, _whole
from localized.asterisk.refusals import CarrierAnswer, ConfigRefusal, read_log, words_of


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            "WARNING[3] config.c: parse error: no closing ']', line 2 of /etc/asterisk/iax.conf\n"
            "ERROR[3] chan_iax2.c: Config file iax.conf is in an invalid format.  Aborting.",
            ConfigRefusal(
                "parse error: no closing ']', line 2 of /etc/asterisk/iax.conf: "
                "Config file iax.conf is in an invalid format",
                whole=True,
                file="iax.conf",
            ),
        ),
        (
            "ERROR[3]: config.c:2180 process_text_line: The file 'gone.conf' was listed as a #include but it does not "
            "exist.\nERROR[3]: chan_sip.c:1 reload_config: Contents of sip.conf are invalid and cannot be parsed",
            ConfigRefusal(
                "The file 'gone.conf' was listed as a #include but it does not exist: "
                "Contents of sip.conf are invalid and cannot be parsed",
                whole=True,
                file="sip.conf",
            ),
        ),
        (
            "ERROR[3] config_options.c: Error parsing password=tell-nobody at line 12 of \n"
            "ERROR[3] res_sorcery_config.c: Could not create an object of type 'auth' with id 'nova' from "
            "configuration file 'pjsip.conf'",
            ConfigRefusal(
                "Error parsing password: Could not create an object of type 'auth' with id 'nova' from configuration "
                "file 'pjsip.conf'",
                file="pjsip.conf",
                type="auth",
                name="nova",
            ),
        ),
        (
            "ERROR[3] x.c: Invalid server URI 'sip:u:tell-nobody@h' specified on outbound registration 'n'",
            ConfigRefusal("Invalid server URI"),
        ),
        (
            '{"message":"Unable to load config file \'pjsip.conf\'\\n","level":"ERROR"}',
            ConfigRefusal("Unable to load config file 'pjsip.conf'", whole=True, file="pjsip.conf"),
        ),
        (
            "WARNING[3] config_parser.c: Format for registration is [peer?][transport://]user@host at line 2",
            ConfigRefusal("Format for registration is [peer?][transport://]user@host at line 2", file="sip.conf"),
        ),
    ],
)
def test_what_asterisk_refused_is_read_with_its_reason_and_without_a_value(lines: str, expected: ConfigRefusal) -> None:
    said = read_log(f"VERBOSE[1] loader.c: Reloading module\n{lines}\nNOTICE[1] x.c: nothing\n")
    assert said.refusals == (expected,)
    assert "tell-nobody" not in words_of(said.refusals)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "403 Forbidden fatal response received from 'sip:h' on registration attempt to 'sip:u@h', retrying in '30'",
            CarrierAnswer("pjsip", "sip:u@h", "403"),
        ),
        (
            "Fatal response '404' received from 'sip:h' on registration attempt to 'sip:u@h', stopping",
            CarrierAnswer("pjsip", "sip:u@h", "404"),
        ),
        (
            "Temporal response '503' received from 'sip:h' on registration attempt to 'sip:u@h', retrying in '20'",
            CarrierAnswer("pjsip", "sip:u@h", "503"),
        ),
        (
            "No response received from 'sip:h' on registration attempt to 'sip:u@h', retrying in '20'",
            CarrierAnswer("pjsip", "sip:u@h", ""),
        ),
        (
            "Forbidden - wrong password on authentication for REGISTER for 'u' to 'h'",
            CarrierAnswer("sip", "u@h", "403"),
        ),
        ("Got 404 Not found on SIP register to service u@h, giving up", CarrierAnswer("sip", "u@h", "404")),
        ("Got error 400 on register to u@h, giving up (check config)", CarrierAnswer("sip", "u@h", "400")),
        ("   -- Registration for 'u@h' timed out, trying again (Attempt #2)", CarrierAnswer("sip", "u@h", "")),
        (
            "Registration of 'u' rejected: 'Registration Refused' from: '192.0.2.5'",
            CarrierAnswer("iax2", "u", "Registration Refused"),
        ),
    ],
)
def test_what_a_carrier_answered_is_read_with_its_code(line: str, expected: CarrierAnswer) -> None:
    assert read_log(f"[2026-11-26 00:42:33.378] WARNING[54] some.c: {line} seconds\n").answers == (expected,)


def test_a_path_that_the_list_of_log_files_cuts_is_found(tmp_path: Path) -> None:
    log = tmp_path / ("m" * 60)
    log.write_text("")
    assert _whole(str(log)[: max(35, len(str(tmp_path)) + 3)]) == log
    shown = "/var/log/asterisk/messages          File     default    Enabled    - NOTICE WARNING ERROR VERBOSE "
    assert _ROW.findall(shown) == [("/var/log/asterisk/messages", "NOTICE WARNING ERROR VERBOSE ")]
