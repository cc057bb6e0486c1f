"""cowl-runtime: the command line of an OCI runtime, as runc and crun have it."""
