"""The engine: wires the services to one store and one runtime. No logic lives here.

A chapter of its calls is a module; `from cowl.engine import Engine` is their door.
"""

from __future__ import annotations

from cowl.engine.engine import Engine as Engine
