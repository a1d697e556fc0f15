"""Carries out steps: the contract of one, the loop over them, and what it tells while it goes."""
