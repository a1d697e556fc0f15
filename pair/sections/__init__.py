"""The tables of pair.toml, one file each: [machines], [trunks], [dns], [lookup] and so on."""
