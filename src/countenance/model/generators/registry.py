"""All generators by the name that `train.generator` chooses."""

from countenance.model.generators.base import GeneratorSpec
from countenance.model.generators.film import FILM

GENERATORS: dict[str, GeneratorSpec] = {"film": FILM}
