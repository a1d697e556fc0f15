"""Whether this machine's own configuration and what we render fit together. Looks, and changes nothing."""
