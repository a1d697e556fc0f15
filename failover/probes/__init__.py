"""Evidence: one file for each way to look, and nothing that decides.

A probe asks one thing of one machine by a deadline and returns one frozen value, whatever happens: what was asked,
the answer, the seconds, and a sentence for people. `at_once.all_of` runs many beside each other.
"""
