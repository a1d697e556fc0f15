"""Both machines and the zone at one moment: what `failover status` shows, and a drill's end.

`read_overview` asks, `overview` says what follows, `next_step` what to type, and `status_view` shows it. `overtaken`
tells a machine that serves and does not know that the other was promoted later.
"""
