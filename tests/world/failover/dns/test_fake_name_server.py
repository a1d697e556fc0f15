"""Our own name servers are held to BIND: the tests that run on them in unit tests, run on BIND."""

from __future__ import annotations

import pytest

from tests.failover.steps.dns.test_dns_step import *  # noqa: F403 - each of them, with this folder's `binds`
from tests.failover.steps.dns.test_zones import *  # noqa: F403

pytestmark = pytest.mark.world
