"""Cache keys: what a step is, as a hash. Equal keys mean equal layers.

A key covers the layers below, the instruction with its variables in, the parts of the config that
reach the step, and the content that it reads; never a time, a path of the host or a tag. Only steps
that this store's own builds ran have keys: an image that was pulled is no candidate.
"""

from __future__ import annotations

import json
from hashlib import sha256

from cowl.oci.digest import chain_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cowl.oci.digest import DiffId

# Changes whenever a step of the same key could give another layer: old rows then never match.
GENERATION = 1
SCRATCH = "scratch"


def below(diff_ids: Sequence[DiffId]) -> str:
    """The state that a step starts from: the ChainID of the layers, or "scratch"."""
    return str(chain_id(diff_ids)) if diff_ids else SCRATCH


def run_key(
    chain: str, args: Sequence[str], env: Sequence[str], user: str, working_dir: str, network: str
) -> str:
    """Key of a RUN. `env` is all that the process sees, in any order; proxies are left out by the caller."""
    return _key("run", chain, args=list(args), env=sorted(env), user=user, cwd=working_dir, network=network)


def copy_key(chain: str, dest: str, owner: str, mode: int | None, sources: Sequence[tuple[str, str]]) -> str:
    """Key of a COPY: `sources` are (base name, content digest) in order; `owner` as written, "" is root."""
    pairs = [list(source) for source in sources]
    return _key("copy", chain, dest=dest, owner=owner, mode=mode, sources=pairs)


def workdir_key(chain: str, path: str, owner: str) -> str:
    """Key of a WORKDIR: `owner` is the user whom new directories will belong to."""
    return _key("workdir", chain, path=path, owner=owner)


def _key(kind: str, chain: str, **parts: object) -> str:
    document = {"generation": GENERATION, "kind": kind, "below": chain, **parts}
    return sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
