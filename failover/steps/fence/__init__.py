"""The first step of a promotion: the peer provably serves no more.

`step.FenceStep` asks the peer to demote itself, or has the admin's `program` cut it off; `evidence` says what is proven
of the peer, `decision` what follows from that (a table), `refusal` what a person is told where it is refused.
"""
