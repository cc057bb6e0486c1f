"""The handle of a container."""
