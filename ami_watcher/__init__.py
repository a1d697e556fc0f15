"""What one Asterisk is doing: which outbound registrations hold, and who is registered here.

It looks through the Asterisk Manager Interface, at Asterisk 16 to 22, and believes lists, never events alone.

- `lists.read_registrations(ami, secret, deadline_s=…)`: one look, for whoever waits for a registration;
  `lists.matches(listed, wanted)` and `expected.wanted(pair, machine, role)` say which trunk is which.
- `follow.Follower`: follows an Asterisk for ever and keeps a `snapshot.Snapshot`; the daemon is made of it.
- `registration.State`: what a registration can be.

Below: `wire` (bytes and messages), `session` (one connection: panoramisk, mended), `registry` and `kick` (rules).
docs/understand/registrations.md says what each state means and what is done about it.
"""
