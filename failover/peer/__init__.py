"""The conversation with the other machine over ssh.

`messages` are the words both sides know; `remote.Peer` asks and says what silence proves; `service.answer` reads a
request and hands it to who carries it out, which failover/peer_handlers.py does; `secrets` compares both machines'
secrets without either telling them.
"""
