import re
import sys


def slug(text: str) -> str:
    return "-".join(re.findall("[a-z0-9]+", text.lower()))


def main() -> None:
    print(slug(" ".join(sys.argv[1:])))
