"""The API, the page and the metrics, over TCP and a Unix socket.

`watcher_state.WatcherState` is what they read; a `state_view.StateView` of it is one moment. `registrations_view` and
`contacts_view` make `documents` of that, `live_page` HTML and `metrics` series. `api` answers requests, `events`
streams changes, `guard` says who may ask, and `listen` is where.
"""
