"""Checks: what is odd, risky or wasteful in a Dockerfile that builds. Pure: an AST to findings."""
