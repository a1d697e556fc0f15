"""What happened before: the last events in memory (`recent`), and a day of one trunk made of them (`timeline`).

`store.HistoryStore` keeps both and the phones; `database` is its copy in SQLite, which outlives a restart.
"""
