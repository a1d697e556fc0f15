"""Our own name servers are held to BIND: the tests of the DNS step that run on them in unit tests, run on BIND."""

from __future__ import annotations

import pytest

from tests.failover.steps.dns.test_dns_step import *  # noqa: F403 - each of them, with this folder's `binds`

pytestmark = pytest.mark.world
