"""Dedupe: identical files of different layers become one inode; see docs/decisions/0023-dedupe.md."""
