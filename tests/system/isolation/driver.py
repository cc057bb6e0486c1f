"""Runs one container from a JSON job, with the runtime alone. Executed as a program of its own."""

import json
import os
import sys

from cowl.config import Config
from cowl.linux.probe import rung
from cowl.linux.root_mount import RootMount
from cowl.runtime.choice import runtime_for
from cowl.runtime.options import Bind, ContainerOptions, ProcessOptions
from cowl.runtime.spec import Bundle, container_spec, process_spec
from cowl.runtime.stdio import Stdio
from cowl.runtime.user import User

job = json.loads(sys.argv[1])
place = job["place"]
os.umask(0o022)
for name in ("upper", "work"):
    os.makedirs(f"{place}/{job['name']}/{name}", exist_ok=True)
user = User(job["uid"], job["uid"], (), "/", "")
env = ("PATH=/bin",)
options = ContainerOptions(
    args=tuple(job["args"]),
    rung=rung(),
    hostname=job["name"],
    network=job["network"],
    binds=tuple(Bind(*bind) for bind in job["binds"]),
    terminal=job["terminal"],
    env=env,
    user=user,
)
root = RootMount(
    (f"{place}/rootfs", f"{place}/mountpoints"),
    f"{place}/{job['name']}/upper",
    f"{place}/{job['name']}/work",
)
runtime = runtime_for(Config(root=place, runtime=os.environ.get("COWL_RUNTIME", "embedded")))
home = f"{place}/{job['name']}"
box = runtime.start(Bundle(job["name"], container_spec(options), root, home), Stdio())
if box.console >= 0:
    try:
        while chunk := os.read(box.console, 65536):
            os.write(1, chunk)
    except OSError:
        pass  # EIO: the other end was closed
for args in job["execs"]:
    process = process_spec(ProcessOptions(args=tuple(args), env=env, user=user))
    runtime.exec(box.process, process, Stdio(), identity=job["name"], directory=home).wait()
if job["execs"]:
    box.signal(9)
code = box.wait().code
box.close()
runtime.close()
sys.exit(code)
