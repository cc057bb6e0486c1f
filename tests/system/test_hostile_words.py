"""Threats 23 and 25: no label of an image, and none of a caller's, reaches what a runtime is given."""

from __future__ import annotations

from tests.caller import Caller

CODE = """
import cowl, json, os
from cowl.container.bundle import make_bundle

hostile = {
    "io.kubernetes.cri-o.TrySkipVolumeSELinuxLabel": "true",
    "io.katacontainers.config.hypervisor.path": "/bin/sh",
    "run.oci.hooks.stdout": "/tmp/x",
    "run.oci.handler": "krun",
    "org.systemd.property.ExecStartPre": "/bin/sh",
    "hooks": '{"prestart": [{"path": "/bin/sh"}]}',
    "annotations": "x",
}
with cowl.Engine() as engine:
    specs = []
    words = " ".join(f"{name}={json.dumps(value)}" for name, value in hostile.items())
    with open("Dockerfile", "w") as file:
        file.write(f"FROM busybox\\nLABEL {words}\\n")
    engine.build(".", tags=["hostile"])
    for image, labels in (("busybox", {}), ("busybox", hostile), ("hostile", {})):
        for runtime in ("embedded", "crun"):
            box = engine.create(image, ["true"], hostname="box", labels=labels, runtime=runtime)
            bundle = make_bundle(engine.store, box.record, box.settings)
            text = json.dumps(bundle.spec, sort_keys=True)
            assert not [word for word in hostile if word.partition(".")[2] and word in text]
            assert "annotations" not in bundle.spec and "hooks" not in bundle.spec
            specs.append(text.replace(bundle.directory, "DIRECTORY").replace(box.id, "ID"))
            box.remove()
    assert len({*specs}) == 1, specs
print("same")
"""


def test_the_spec_is_the_same_to_the_byte(based: Caller) -> None:
    done = based.python(CODE)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == b"same\n"
