"""Containers: options, start, wait, exec, diff, remove."""
