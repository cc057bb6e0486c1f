"""The kernel, without policy: system calls, mounts, namespaces, id maps, safe paths, probes."""
