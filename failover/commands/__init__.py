"""One file each for what one types after `failover`; its attribute `command` is the click command."""
