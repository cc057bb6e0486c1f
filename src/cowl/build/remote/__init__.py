"""Remote sources: what a build reads that is not in a directory of this machine. Loaded when one is used."""
