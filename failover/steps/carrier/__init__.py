"""The carriers' side of a promotion: where their numbers are routed, read, changed and read back.

`step` holds the steps, `routes` the moving of routes, `preset` a carrier's API as data, `http` its one edge.
"""
