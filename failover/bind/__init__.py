"""Our own BIND: its configuration (`named_conf`), the daemon that runs (`named`), and zone files read and edited."""
