"""What this machine is and may, by its own files.

`local_state.read_state` is the whole of it: role, right, fence, epoch, open run. `right` gives and takes the right,
`fenced` keeps Asterisk from starting, `claim` notes whose promotion goes first, `pause` what a person wants left alone,
`proven_secrets` which passwords a carrier was seen to take.
"""
