"""Cache keys: what a step is, as a hash. Equal keys mean equal layers.

A key covers the layers below, the instruction with its variables in, the parts of the config that
reach the step, and the content that it reads; never a time, a path of the host or a tag. Only steps
that this store's own builds ran have keys: an image that was pulled is no candidate.
"""

from __future__ import annotations

import json
from hashlib import sha256

from cowl.oci.digest import chain_id
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from cowl.build.add_task import Part
    from cowl.oci.digest import DiffId

# Changes whenever a step of the same key could give another layer: old rows then never match.
GENERATION = 1
SCRATCH = "scratch"


def below(diff_ids: Sequence[DiffId]) -> str:
    """The state that a step starts from: the ChainID of the layers, or "scratch"."""
    return str(chain_id(diff_ids)) if diff_ids else SCRATCH


class StepInputs(Value):
    """All that decides what a step makes: equal inputs mean equal layers.

    kind   "run", "copy", "add" or "workdir"
    below  the state that it starts from, see `below`
    parts  what the instruction adds to that, by name: values that JSON can hold
    """

    kind: str
    below: str
    parts: Mapping[str, Any]

    @property
    def document(self) -> str:
        """The inputs as canonical JSON: what the key is the hash of, and what explains a miss."""
        whole = {"generation": GENERATION, "kind": self.kind, "below": self.below, **self.parts}
        return json.dumps(whole, sort_keys=True, separators=(",", ":"))

    @property
    def key(self) -> str:
        """The hex name of the step in the cache."""
        return sha256(self.document.encode()).hexdigest()


def run_inputs(
    chain: str,
    args: Sequence[str],
    env: Sequence[str],
    user: str,
    working_dir: str,
    network: str,
    more: Mapping[str, Any] | None = None,
) -> StepInputs:
    """Those of a RUN. `env` is all that the process sees, in any order; the caller leaves proxies out.

    more  what only some RUNs have, by name: mounts, names of hosts, limits, security; empty ones don't count
    """
    parts = {"args": list(args), "env": sorted(env), "user": user, "cwd": working_dir, "network": network}
    extra = {name: value for name, value in (more or {}).items() if value}
    return StepInputs("run", chain, {**parts, **extra})


def copy_inputs(
    chain: str, dest: str, owner: str, mode: int | None, sources: Sequence[tuple[str, str]]
) -> StepInputs:
    """Those of a COPY: `sources` are (base name, content digest) in order; `owner` as written, "" is root."""
    pairs = [list(source) for source in sources]
    return StepInputs("copy", chain, {"dest": dest, "owner": owner, "mode": mode, "sources": pairs})


def add_inputs(parts: Sequence[Part]) -> StepInputs:
    """Those of an ADD: of each part what a COPY of it has, and which of its sources are unpacked."""
    copies = [(part, part.copy.inputs) for part in parts]
    described = [
        {**inputs.parts, "unpack": sorted(part.unpack)} for part, inputs in copies if inputs is not None
    ]
    first = copies[0][1]
    assert first is not None, "a COPY always has inputs"
    return StepInputs("add", first.below, {"parts": described} if len(described) > 1 else described[0])


def workdir_inputs(chain: str, path: str, owner: str) -> StepInputs:
    """Those of a WORKDIR: `owner` is the user whom new directories will belong to."""
    return StepInputs("workdir", chain, {"path": path, "owner": owner})
