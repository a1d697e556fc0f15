"""What Asterisk asks while a call waits: AGI scripts, and a server that answers them in milliseconds.

A script is one file with one function `run(call, services)`. The same function runs as a process of its own, as a
process that hands its call to the running agi-server, and as FastAGI; the dialplan line says `AGI(lookup.py)` or
`AGI(agi://127.0.0.1/lookup)` and never has to change. Whatever goes wrong here, the call goes on.

Public: agi.protocol.call.Call and agi.protocol.environment.Environment (what a script sees), agi.script (what a
script is), agi.server.server.AgiServer; the command `agi-server` is agi.command.
"""
