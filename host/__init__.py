"""The machine we stand on: what all rooms need of it, written once.

    atomic, file_reading, ownership, lock, places   files: replaced whole, read bounded, trusted, locked, where they are
    command, hook, service_manager, terminal        programs with a deadline, hooks, systemd, what is printed
    clock, durations, printable                     time since boot, durations in words, text made safe for one line
    errors, exits, console_command                  what we raise on purpose, and how a command tells it and ends
    http                                            one exchange with one server, by one deadline

Nothing here knows about Asterisk, DNS or a pair. What can be decided elsewhere is not decided here; each module does
one outside thing, by a deadline where it could wait, and says in our words what went wrong.
"""
