"""The store: metadata in SQLite, layers and containers in directories, both or neither.

The only room with SQL. `from cowl.store import Store` is its door.
"""

from __future__ import annotations

from cowl.store.store import Store as Store
