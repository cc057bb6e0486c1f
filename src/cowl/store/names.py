"""Names and IDs: checked, made up when none is given, found by their beginnings."""

from __future__ import annotations

import re

from cowl.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cowl.store.database import Database

_FORM = r"[a-zA-Z0-9][a-zA-Z0-9_.-]+"  # two characters at least, as Docker

_ADJECTIVES = (
    "able airy amber apt ashen azure balmy bold brave breezy bright brisk calm candid cheery chipper"
    " civil clear clever cosy crisp curious daring deft dewy eager earnest easy fair fearless festive"
    " fleet fond frank free fresh gallant gentle gilded glad golden graceful hale hardy hearty honest"
    " humble jaunty jolly jovial keen kind lively lucid lucky lunar mellow merry mild mindful modest"
    " neat nimble noble patient placid plucky polite prudent quaint quick quiet radiant ready robust"
    " rosy royal sage serene shining silent sincere sleek snowy sober solar spry stalwart steady sturdy"
    " sunny supple sure swift tender thrifty tidy tranquil trusty upbeat valiant velvet vivid warm wise"
    " witty zesty"
)
_SURNAMES = (
    "abel agnesi aiken airy ampere apgar avogadro babbage banach banneker barton bassi bell bernoulli"
    " bessel bohr boole born bose boyle brahe cannon cantor carson cauchy cavendish celsius"
    " chandrasekhar chatelet clarke cori coulomb crick curie dalton darwin davy descartes dijkstra dirac"
    " easley eckert edison euclid euler faraday fermat fermi feynman fischer fleming fourier franklin"
    " fresnel galilei galois gauss germain gibbs goeppert goldberg golgi hahn halley hamilton hawking"
    " hertz hilbert hodgkin hooke hopper hubble huygens hypatia jacobi jemison jenner joliot joule"
    " kepler khorana kilby knuth kovalevskaya lagrange lamarr laplace leavitt leibniz lovelace lumiere"
    " maxwell mayer mccarthy meitner mendel mirzakhani montalcini morse napier nash nernst newton nobel"
    " noether noyce ohm pascal pasteur pauling perlman planck poincare ptolemy raman ramanujan ride"
    " riemann ritchie rubin sagan sammet shannon sinoussi snyder stonebraker swirles tereshkova tesla"
    " thompson torvalds turing varahamihira volta wescoff wiles wing wozniak wright yalow yonath"
)


class InvalidName(Invalid):
    """A container can't be called that. Field: name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
            hint="it takes two characters at least, the first a letter or digit",
        )
        self.name = name


def check_name(name: str) -> str:
    """The name without the slash that Docker shows before it. Raises InvalidName."""
    bare = name.removeprefix("/")
    if not re.fullmatch(_FORM, bare):
        raise InvalidName(name)
    return bare


def made_up_name(random: bytes, is_taken: Callable[[str], bool]) -> str:
    """An adjective and the surname of somebody in science, with a number if need be. `random`: 4 bytes."""
    adjectives, surnames = _ADJECTIVES.split(), _SURNAMES.split()
    first = int.from_bytes(random[:2], "big") % len(adjectives)
    second = int.from_bytes(random[2:4], "big") % len(surnames)
    plain = name = f"{adjectives[first]}_{surnames[second]}"
    number = 0
    while is_taken(name):
        number += 1
        name = f"{plain}{number}"
    return name


def resolve(
    database: Database,
    table: str,
    text: str,
    missing: Callable[[str], Exception],
    ambiguous: Callable[[str], Exception],
) -> str:
    """The ID in a table of IDs and names: by full ID, by name, by the beginning of an ID, in this order.

    Raises what `missing` and `ambiguous` make of the text.
    """
    exact = database.row(f"SELECT id FROM {table} WHERE id = ?1 OR name = ?1 ORDER BY id = ?1 DESC", (text,))
    if exact and text:
        return str(exact[0])
    if not text or text.strip("0123456789abcdef"):
        raise missing(text)
    found = database.rows(f"SELECT id FROM {table} WHERE id >= ? AND id < ? LIMIT 2", (text, text + "g"))
    if len(found) > 1:
        raise ambiguous(text)
    if not found:
        raise missing(text)
    return str(found[0][0])
