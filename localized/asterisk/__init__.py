"""Asterisk's configuration files read as Asterisk reads them, its reloads by `asterisk -rx`, and its log."""
