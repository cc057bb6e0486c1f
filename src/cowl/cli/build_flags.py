"""The flags of `cowl build`: a part of the table of commands."""

from __future__ import annotations

from cowl.cli.grammar import BOOL, INT, LIST, TEXT, WORDS, Flag

PLATFORM = Flag(
    "platform", "", TEXT, "The platform to choose of a multi-platform image, as os[/arch[/variant]]"
)
BUILD = (
    Flag(
        "add-host",
        "",
        LIST,
        'Add a custom host-to-IP mapping for RUN ("host:ip"; host-gateway is this machine: its loopback)',
    ),
    Flag(
        "allow",
        "",
        LIST,
        'Allow extra privileged entitlement ("network.host": RUN --network=host in a build without network;'
        ' "security.insecure": RUN --security=insecure)',
    ),
    Flag("build-arg", "", LIST, "Set build-time variables"),
    Flag(
        "build-context",
        "",
        LIST,
        'Put a directory, docker-image:// or oci-layout:// in the place of an image or stage ("name=value")',
    ),
    Flag(
        "cache-from",
        "",
        LIST,
        'External cache sources (e.g., "user/app:cache", "type=local,src=path")',
    ),
    Flag(
        "cache-to",
        "",
        LIST,
        'Cache export destinations (e.g., "user/app:cache", "type=local,dest=path")',
    ),
    Flag(
        "call",
        "",
        TEXT,
        'Set method for evaluating build ("build", "check", "check,format=json", "check,format=sarif")',
        "",
        "build",
    ),
    Flag("check", "", BOOL, 'Shorthand for "--call=check"'),
    Flag(
        "explain",
        "",
        BOOL,
        "Show all that made a step miss the cache, and for each line where its bytes went",
    ),
    Flag("file", "f", TEXT, 'Name of the Dockerfile (default: "PATH/Dockerfile")'),
    Flag("iidfile", "", TEXT, "Write the image ID to the file"),
    Flag(
        "jobs",
        "",
        INT,
        "How many stages to build at a time (0: as many as there are processors)",
        "int",
        0,
    ),
    Flag("label", "", LIST, "Set metadata for an image"),
    Flag("load", "", BOOL, 'Shorthand for "--output=type=docker"'),
    Flag("metadata-file", "", TEXT, "Write build result metadata to a file"),
    Flag(
        "network",
        "",
        TEXT,
        'Set the networking mode for the RUN instructions during build: "host" or "none"',
        "",
        "host",
    ),
    Flag("no-cache", "", BOOL, "Do not use cache when building the image"),
    Flag("no-cache-filter", "", WORDS, "Do not cache specified stages"),
    Flag("output", "o", LIST, 'Output destination (format: "type=local,dest=path")'),
    PLATFORM,
    Flag("progress", "", TEXT, 'Set type of progress output ("auto", "json", "plain", "tty")', "", "auto"),
    Flag("pull", "", BOOL, "Always attempt to pull a newer version of the image"),
    Flag("push", "", BOOL, 'Shorthand for "--output=type=registry"'),
    Flag("quiet", "q", BOOL, "Suppress the build output and print image ID on success"),
    Flag(
        "secret",
        "",
        LIST,
        'Secret to expose to the build ("id=mysecret[,src=/local/secret]", "id=mysecret,env=VARIABLE")',
    ),
    Flag("shm-size", "", TEXT, 'Size of "/dev/shm" in RUN', "bytes"),
    Flag("squash", "", BOOL, "Squash newly built layers into a single new layer"),
    Flag(
        "squash-from",
        "",
        INT,
        "Squash the layers of a step and of all after it; STEP is its number in the progress",
        "STEP",
        0,
    ),
    Flag(
        "ssh",
        "",
        LIST,
        "SSH agent socket or keys to expose to the build (default or id[=socket or keys])",
    ),
    Flag("tag", "t", LIST, 'Name and optionally a tag in the "name:tag" format'),
    Flag("target", "", TEXT, "Set the target build stage to build"),
    Flag(
        "timestamp",
        "",
        TEXT,
        "Set the time of the image, and the latest of its new files, in seconds since 1970",
        "seconds",
    ),
    Flag("ulimit", "", LIST, "Ulimit options of RUN (name=soft[:hard])", "ulimit"),
)
