"""The names and numbers of signals: signal(7)."""

from __future__ import annotations

from cowl.container.words import InvalidOptions

LAST_SIGNAL = 64


def signal_number(signal: int | str) -> int:
    """15, "15", "TERM" and "SIGTERM" are the same, and "RTMIN+3" is one. Raises InvalidOptions."""
    text = str(signal)
    number = int(text) if text.isascii() and text.isdigit() else _named_signal(text)
    if not 1 <= number <= LAST_SIGNAL:
        raise InvalidOptions(f"invalid signal: {signal}")
    return number


def _named_signal(text: str) -> int:
    """0 for none of that name."""
    import signal as signals  # 5 ms, and most runs send none

    name = text.upper().removeprefix("SIG")
    for base, sign in (("RTMIN", "+"), ("RTMAX", "-")):
        number = name.removeprefix(base + sign)
        if name != number and number.isascii() and number.isdigit():
            first, step = int(signals.Signals[f"SIG{base}"]), int(number)
            found = first + step if sign == "+" else first - step
            return found if signals.SIGRTMIN <= found <= signals.SIGRTMAX else 0
    return int(getattr(signals.Signals, f"SIG{name}", 0)) if name.isalnum() else 0
