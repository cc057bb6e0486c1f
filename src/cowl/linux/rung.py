"""How much of the kernel this process may use, from best to least."""

from __future__ import annotations

ROOT = "root"  # privileged: idmapped layers, a range of ids
SINGLE = "single-id"  # a user namespace that maps one id: the caller's
NONE = "none"  # no user namespaces: no containers, but all that reads, and builds without RUN

# On the root rung the ids 0 .. IDS_COUNT-1 of a container are the host's IDS_BASE .. IDS_BASE+IDS_COUNT-1:
# no account has them, every id that an image may name is there, and all stay below 2^31.
IDS_BASE = 1 << 30
IDS_COUNT = 1 << 30
