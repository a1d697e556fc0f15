"""What one Asterisk is doing: which outbound registrations hold, and who is registered here.

It looks through the Asterisk Manager Interface, at Asterisk 16 to 22, and believes lists, never events alone.

- `registrations.lists.read_registrations(ami, secret, deadline_s=…)` reads all lists once; `matches(listed, expected)`
  and `registrations.expected.expected_registrations(pair, machine, role)` say which trunk is which.
- `follow.follow.Follower` follows an Asterisk for ever and keeps a `follow.snapshot.Snapshot`: the daemon's source.
- `event.WatcherEvent` is one change, with its kind; `other_machine` is what is known of the other machine.

Rooms, each above the ones before it: `ami` (one connection), `registrations` and `phones` (rules), `follow`, `history`
and `notify`, `web` (API, page, metrics), `daemon`; on top `ask`, `check`, `tables` and `command`.
docs/understand/registrations.md says what each state means and what is done about it.
"""
