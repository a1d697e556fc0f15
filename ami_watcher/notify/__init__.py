"""Who is told of a change, once it has held (`debounce`): the admin's programs and web hook (`hooks`).

`notifier.Notifier` brings each change to one of them, with retries that end; `Notifiers` is all that pair.toml names.
"""
