"""Probes: one file for each way to look, and nothing that decides.

A probe asks one thing of one machine by a deadline and returns one frozen value, whatever happens: what was asked, the
answer, the seconds, and a sentence for people (`failover.probe_result`). `parallel.run_probes` runs many beside each
other; `evidence.gather_evidence` is all that is seen before somebody decides.
"""
