"""From pair.toml, machine, role and secrets to bytes: Asterisk's includes, BIND's zones, the hosts block. Pure."""
