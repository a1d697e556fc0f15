"""The steps of a promotion, one file or folder each: fence, localize, dns, carrier, proof. A new step is added here.

The contract of a step is `failover.runner.step`; `failover.promotion.steps` says which ones a promotion has.
"""
