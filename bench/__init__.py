"""What is promised about speed, measured side by side with what it is compared to, in one run.

`python -m bench NAME [--json]`: one module for each name, with `measure(*, runs: int) -> Result`. Medians of at least
five runs; nothing here is asserted by a test.
"""

from bench.result import NotHere, Result

__all__ = ["NotHere", "Result"]
