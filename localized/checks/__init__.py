"""Whether this machine's own configuration and what we render fit together. Looks, and changes nothing.

`own_configuration.check` is the whole: each include where it must be met, and with it `foreign_registrations` (our
accounts registered by another file), `realtime` (databases in the place of files) and `permissions`. `read_back` reads
what was rendered before it may become active. Each finds `ConfigProblem`s (problem).
"""
