"""Name servers asked and changed from outside: queries, NOTIFY, signed UPDATE, delegation, serial numbers."""
