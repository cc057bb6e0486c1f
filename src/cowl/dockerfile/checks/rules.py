"""The table of rules: name, function, what BuildKit says it is for. A new rule is one entry."""

from __future__ import annotations

from cowl.dockerfile.checks import effects, spelling, variables
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cowl.dockerfile.checks.subject import Found, Subject

_URL = "https://docs.docker.com/go/dockerfile/rule/{}/"


class Rule(Value):
    """One check.

    name         BuildKit's where BuildKit has it; cowl's own begin with Cowl
    description  what the rule is for, in one sentence without a full stop
    find         what it finds; None where the parser finds it, as warnings of this name
    page         the last part of its address at Docker, "" if there is none
    experimental runs only when `check=experimental=` asks for it, as in BuildKit
    """

    name: str
    description: str
    find: Callable[[Subject], Iterable[Found]] | None = None
    page: str = ""
    experimental: bool = False

    @property
    def url(self) -> str:
        return _URL.format(self.page) if self.page else ""


# The descriptions of BuildKit's rules are Docker's own words: tools show and compare them.
BUILDKIT = (
    Rule(
        "StageNameCasing", "Stage names should be lowercase", spelling.stage_name_casing, "stage-name-casing"
    ),
    Rule(
        "FromAsCasing",
        "The 'as' keyword should match the case of the 'from' keyword",
        spelling.from_as_casing,
        "from-as-casing",
    ),
    Rule(
        "NoEmptyContinuation",
        "Empty continuation lines will become errors in a future release",
        None,
        "no-empty-continuation",
    ),
    Rule(
        "ConsistentInstructionCasing",
        "All commands within the Dockerfile should use the same casing (either upper or lower)",
        spelling.consistent_instruction_casing,
        "consistent-instruction-casing",
    ),
    Rule(
        "DuplicateStageName",
        "Stage names should be unique",
        spelling.duplicate_stage_name,
        "duplicate-stage-name",
    ),
    Rule(
        "ReservedStageName",
        "Reserved words should not be used as stage names",
        spelling.reserved_stage_name,
        "reserved-stage-name",
    ),
    Rule(
        "JSONArgsRecommended",
        "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals",
        effects.json_args_recommended,
        "json-args-recommended",
    ),
    Rule(
        "MaintainerDeprecated",
        "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
        spelling.maintainer_deprecated,
        "maintainer-deprecated",
    ),
    Rule(
        "UndefinedArgInFrom",
        "FROM command must use declared ARGs",
        variables.undefined_arg_in_from,
        "undefined-arg-in-from",
    ),
    Rule(
        "WorkdirRelativePath",
        "Relative workdir without an absolute workdir declared within the build can have unexpected results "
        "if the base image changes",
        effects.workdir_relative_path,
        "workdir-relative-path",
    ),
    Rule(
        "UndefinedVar",
        "Variables should be defined before their use",
        variables.undefined_var,
        "undefined-var",
    ),
    Rule(
        "MultipleInstructionsDisallowed",
        "Multiple instructions of the same type should not be used in the same stage",
        effects.multiple_instructions_disallowed,
        "multiple-instructions-disallowed",
    ),
    Rule(
        "LegacyKeyValueFormat",
        "Legacy key/value format with whitespace separator should not be used",
        spelling.legacy_key_value_format,
        "legacy-key-value-format",
    ),
    Rule(
        "InvalidBaseImagePlatform",
        "Base image platform does not match expected target platform",
        effects.invalid_base_image_platform,
    ),
    Rule(
        "RedundantTargetPlatform",
        "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
        variables.redundant_target_platform,
        "redundant-target-platform",
    ),
    Rule(
        "SecretsUsedInArgOrEnv",
        "Sensitive data should not be used in the ARG or ENV commands",
        variables.secrets_used_in_arg_or_env,
        "secrets-used-in-arg-or-env",
    ),
    Rule(
        "InvalidDefaultArgInFrom",
        "Default value for global ARG results in an empty or invalid base image name",
        variables.invalid_default_arg_in_from,
        "invalid-default-arg-in-from",
    ),
    Rule(
        "FromPlatformFlagConstDisallowed",
        "FROM --platform flag should not use a constant value",
        variables.from_platform_flag_const_disallowed,
        "from-platform-flag-const-disallowed",
    ),
    Rule(
        "CopyIgnoredFile",
        "Attempting to Copy file that is excluded by .dockerignore",
        effects.copy_ignored_file,
        "copy-ignored-file",
        experimental=True,
    ),
    Rule(
        "InvalidDefinitionDescription",
        "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. "
        "If this is not intended to be a description comment, add an empty line or comment between the "
        "instruction and the comment.",
        spelling.invalid_definition_description,
        "invalid-definition-description",
        experimental=True,
    ),
    Rule(
        "ExposeProtoCasing",
        "Protocol in EXPOSE instruction should be lowercase",
        spelling.expose_proto_casing,
        "expose-proto-casing",
    ),
    Rule(
        "ExposeInvalidFormat",
        "IP address and host-port mapping should not be used in EXPOSE instruction. "
        "This will become an error in a future release",
        spelling.expose_invalid_format,
        "expose-invalid-format",
    ),
    Rule(
        "CowlBrokenTrigger", "An ONBUILD instruction that can't be carried out fails in builds on the image"
    ),
    Rule("CowlEmptyCommand", "An instruction that runs a command should have one"),
    Rule("CowlFlagIgnored", "Some instructions drop all flags unseen"),
    Rule("CowlNotJSON", "What looks like a JSON array but is none is taken as plain text"),
)


def own_rules() -> tuple[Rule, ...]:
    """cowl's advice, given when it is asked for: `build --check`."""
    from cowl.dockerfile.checks import waste

    return (
        Rule(
            "CowlAddForCopy", "COPY is plainer than ADD for files of the context", waste.add_where_copy_does
        ),
        Rule("CowlCdAlone", "A directory changed in one RUN is forgotten in the next", waste.cd_alone),
        Rule(
            "CowlChmodAfterCopy",
            "A chmod or chown in a RUN stores the files a second time",
            waste.chmod_after_copy,
        ),
        Rule("CowlCommentAfterCopy", "A # after COPY or ADD starts no comment", waste.comment_after_copy),
        Rule(
            "CowlPackageCacheKept",
            "The cache of a package manager should not stay in the image",
            waste.package_cache_kept,
        ),
        Rule("CowlSecretInLayer", "Secrets should be mounted, not copied", waste.secret_in_layer),
        Rule("CowlSudo", "sudo has no use in a build", waste.sudo),
        Rule("CowlUnpinnedBase", "A base image should name its version", waste.unpinned_base),
        Rule(
            "CowlUpdateAlone", "A package index should not be cached apart from its use", waste.update_alone
        ),
    )
