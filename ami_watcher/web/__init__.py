"""The API, the page and the metrics, over TCP and a Unix socket.

`api` answers requests from `watcher_state`; `documents` says what each answer holds, `guard` who may ask.
"""
