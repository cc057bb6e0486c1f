"""The flags about health checks of run and create: a part of the table of commands."""

from __future__ import annotations

from cowl.cli.grammar import BOOL, INT, TEXT, Flag

HEALTH = (
    Flag("health-cmd", "", TEXT, "Command to run to check health"),
    Flag("health-interval", "", TEXT, "Time between running the check (ms|s|m|h) (default 30s)", "duration"),
    Flag("health-retries", "", INT, "Consecutive failures needed to report unhealthy (default 3)", "int", 0),
    Flag(
        "health-start-interval",
        "",
        TEXT,
        "Time between running the check during the start period (ms|s|m|h) (default 5s)",
        "duration",
    ),
    Flag(
        "health-start-period",
        "",
        TEXT,
        "Start period for the container to initialize before starting health-retries countdown (ms|s|m|h) "
        "(default 0s)",
        "duration",
    ),
    Flag(
        "health-timeout",
        "",
        TEXT,
        "Maximum time to allow one check to run (ms|s|m|h) (default 30s)",
        "duration",
    ),
    Flag("no-healthcheck", "", BOOL, "Disable any container-specified HEALTHCHECK"),
)
