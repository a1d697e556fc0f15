"""Generations on disk: written whole, made active by one rename(2), rolled back, pruned.

`GenerationStore` (store) has them all; a `Generation` is one complete set, `files` writes it so that Asterisk sees a
change. `directory_lock` (lock) lets one process at a time change them, `Rollback` remembers where a rollback goes.
"""
