"""Libraries that quote in log lines what they were sent: addresses with numbers and tokens, headers, cookies."""

from __future__ import annotations

import logging
from typing import Final

_QUOTING: Final = ("urllib3", "requests", "charset_normalizer")


def silence_http_libraries() -> None:
    """Has them log nothing. What went wrong they raise as well, and then it is told in our own words.

    urllib3 warns of headers that it cannot parse with the whole address and the text of all of them, Set-Cookie
    included (connectionpool.py, _make_request).
    """
    for name in _QUOTING:
        logging.getLogger(name).setLevel(logging.CRITICAL)
