"""The tables of pair.toml, one file each; what may stand in a key, and the sentence that explains it.

A section knows itself alone: what its keys may be, and which of them contradict each other. Rules that reach across
sections are in `pair.cross_checks`; kinds of values that several use, such as an address or a name, in `pair.fields`.
The text below each key is its line in docs/reference/pair.md (`pair.reference`).
"""
