"""`python -m bench.ami_feeder`: an AMI that answers a login, and then sends events as fast as they are taken.

A process of its own, so that what is measured is the reader. It prints its port, and serves one connection after the
other. What a connection gets is asked for with its user name: KIND-COUNT.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from typing import Final

BATCH: Final = 500
"""Events in one write: what a busy Asterisk has ready when its session's thread runs."""

KINDS: Final = ("mixed", "unwanted", "contacts")


def events(kind: str, count: int) -> Iterator[bytes]:
    """`count` events, no two alike, in batches. "mixed" is what a registrar sends; "unwanted" is what calls cause."""
    for start in range(0, count, BATCH):
        yield b"".join(event(kind, number) for number in range(start, min(start + BATCH, count)))


def event(kind: str, number: int) -> bytes:
    """One event, as Asterisk 16 and 22 write it."""
    host = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    if kind == "unwanted":
        lines = [
            "Event: VarSet",
            "Privilege: dialplan,all",
            f"Channel: PJSIP/{number}-0000001f",
            "ChannelState: 6",
            "ChannelStateDesc: Up",
            f"CallerIDNum: {number}",
            "CallerIDName: <unknown>",
            "Language: en",
            "Context: from-inside",
            "Priority: 3",
            f"Uniqueid: 1795351306.{number}",
            "Variable: RTPAUDIOQOS",
            "Value: ssrc=1862;themssrc=0;lp=0;rxjitter=0.000000;rxcount=250;txjitter=0.000000;txcount=249;rlp=0",
        ]
    elif number % 10 == 0:
        lines = [
            "Event: Registry",
            "Privilege: system,all",
            "SystemName: boston",
            "ChannelType: PJSIP",
            f"Username: sip:{number}@sip.carrier.example",
            "Domain: sip:sip.carrier.example",
            "Status: Registered",
        ]
    elif number % 2:
        lines = [
            "Event: ContactStatus",
            "Privilege: system,all",
            "SystemName: boston",
            f"URI: sip:{number}@{host}:5060;transport=udp;rinstance=7f0c4a7be1d2",
            "ContactStatus: Reachable",
            f"AOR: {number}",
            f"EndpointName: {number}",
            f"RoundtripUsec: {number % 9000 + 800}",
        ]
    else:
        lines = [
            "Event: PeerStatus",
            "Privilege: system,all",
            "SystemName: boston",
            "ChannelType: SIP",
            f"Peer: SIP/{number}",
            "PeerStatus: Registered",
            f"Address: {host}:5060",
        ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def busy_hour(count: int) -> list[bytes]:
    """`count` messages as a PBX with channel variables in its events sends them during calls, no two alike.

    Three of four are VarSet of some 500 bytes, the others device states, new states, call detail events and the like,
    as on the wire of a Wazo; a channel variable comes three times in each that belongs to a channel.
    """
    made = []
    for number in range(count):
        channel = [
            f"Channel: PJSIP/{number % 400}-{number // 3:08x}",
            "ChannelState: 6",
            "ChannelStateDesc: Up",
            f"CallerIDNum: {number % 400}",
            "CallerIDName: Ann of the workshop",
            "ConnectedLineNum: <unknown>",
            "ConnectedLineName: <unknown>",
            "Language: en",
            "AccountCode:",
            "Context: from-inside",
            "Exten: 103",
            f"Priority: {number % 17}",
            f"Uniqueid: 1795351306.{number // 20}",
            f"Linkedid: 1795351306.{number // 20}",
            f"ChanVariable: USER_ID=4f{number % 400:06x}-7c1e",
            "ChanVariable: DIALLED=103",
            "ChanVariable: CAME_FROM=",
        ]
        if number % 16 == 0:
            lines = ["Event: DeviceStateChange", "Privilege: call,all", f"Device: PJSIP/{number % 400}", "State: INUSE"]
        elif number % 4:
            lines = ["Event: VarSet", "Privilege: dialplan,all", *channel, f"Variable: STEP_{number % 40}", "Value: 1"]
        else:
            lines = ["Event: Newstate", "Privilege: call,all", *channel]
        made.append("\r\n".join(lines).encode() + b"\r\n\r\n")
    return made


def contacts(identity: str, count: int) -> Iterator[bytes]:
    """The list of PJSIPShowContacts with `count` items."""
    yield f"Response: Success\r\nActionID: {identity}\r\nEventList: start\r\nMessage: A list follows\r\n\r\n".encode()
    for start in range(0, count, BATCH):
        yield b"".join(
            (
                f"Event: ContactList\r\nActionID: {identity}\r\nObjectType: contact\r\n"
                f"ObjectName: {number};@e3b0c44298fc\r\nViaAddr: 10.0.{number >> 8 & 255}.{number & 255}\r\n"
                f"QualifyTimeout: 3.000000\r\nCallId: {number}@x\r\nRegServer: boston\r\n"
                f"PruneOnBoot: no\r\nPath: \r\nEndpoint: {number}\r\nViaPort: 5060\r\n"
                f"AuthenticateQualify: no\r\nUri: sip:{number}@10.0.{number >> 8 & 255}.{number & 255}:5060\r\n"
                "QualifyFrequency: 60\r\nUserAgent: Desk phone 1.0\r\nExpirationTime: 1795355000\r\nOutboundProxy: \r\n"
                f"Status: Reachable\r\nRoundtripUsec: {number % 9000 + 800}\r\n\r\n"
            ).encode()
            for number in range(start, min(start + BATCH, count))
        )
    yield (
        f"Event: ContactListComplete\r\nActionID: {identity}\r\nEventList: Complete\r\nListItems: {count}\r\n\r\n"
    ).encode()


def serve(connection: socket.socket) -> None:
    """One client, until it leaves."""
    connection.sendall(b"Asterisk Call Manager/5.0.4\r\n")
    buffer = b""
    count = 0
    while data := connection.recv(65536):
        buffer += data
        *packets, buffer = buffer.split(b"\r\n\r\n")
        for packet in packets:
            text = packet.decode()
            found = re.search(r"ActionID: (\S+)", text)
            identity = found[1] if found else ""
            if "Action: PJSIPShowContacts" in text:
                for batch in contacts(identity, count):
                    connection.sendall(batch)
                continue
            more = "\r\nChallenge: 1" if "Action: Challenge" in text else ""
            connection.sendall(f"Response: Success\r\nActionID: {identity}{more}\r\nMessage: x\r\n\r\n".encode())
            # The client is to have its login behind it.
            if asked := re.search(r"Username: (\w+)-(\d+)", text):
                kind, count = asked[1], int(asked[2])
                if kind != "contacts":
                    # Made before it is sent, or the feeder would be what is measured; a million would not fit.
                    made = events(kind, count)
                    for batch in [b"".join(made)] if count <= 100_000 else made:
                        connection.sendall(batch)


def main() -> None:
    """Prints the port, and serves until it is ended."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            connection, _ = server.accept()
            with connection:
                try:
                    serve(connection)
                except OSError:
                    continue


if __name__ == "__main__":
    main()
