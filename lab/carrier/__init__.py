"""The telephone company: a registrar that calls whoever registered, what it accepted, and its web API.

`accounts` is the one table of who may register; `Carrier` is its machine in the world, with a real Asterisk;
`CarrierApi` is the fake of five carriers' web APIs, with which they are tried without a carrier
(`python -m lab.carrier.web_api`).
"""
