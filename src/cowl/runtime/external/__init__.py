"""crun and runc in the place of the embedded one. See docs/decisions/0034-runtimes.md."""
