"""Simulated XenServer pools: what `xe` and the toolstack of a host would say and do. No input or output of its own, no clock of its own."""
