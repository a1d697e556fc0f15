"""Generations on disk: written whole, made active by one rename(2), rolled back, pruned, cleaned up."""
