"""`python -m failover`, where the command is not on PATH."""

from failover.command import main

main()
