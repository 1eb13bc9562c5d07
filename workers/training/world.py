"""A small fictional world: towns and people, each with facts that never change.

The facts are what the model has to remember. They are drawn once from a fixed seed, and every
text that mentions them says the same.
"""

import random
from dataclasses import dataclass

from workers.training import words

WORLD_SEED = 1904
N_TOWNS = 60
N_PEOPLE = 120


@dataclass(frozen=True)
class Fact:
    """`subject` has `value` for `attribute`, e.g. ("Orvell", "river", "Tamsin")."""

    subject: str
    attribute: str
    value: str


@dataclass(frozen=True)
class Town:
    """A town, its river, what it makes, the year it was founded, its flag and its mayor."""

    name: str
    river: str
    product: str
    founded: int
    flag: str
    gates: str
    mayor: str


@dataclass(frozen=True)
class Person:
    """A person, their home town, trade, year of birth, pet, favourite food and treasure."""

    name: str
    home: str
    trade: str
    born: int
    pet: str
    food: str
    treasure: str


GATES = ("black", "blue", "bronze", "brown", "copper", "golden", "green", "grey", "iron", "orange")


@dataclass(frozen=True)
class World:
    """All towns and people, and their facts in one list."""

    towns: tuple[Town, ...]
    people: tuple[Person, ...]

    def facts(self) -> tuple[Fact, ...]:
        """Every fact of the world: one for each attribute of each town and person."""
        subjects: tuple[Town | Person, ...] = (*self.towns, *self.people)
        return tuple(
            Fact(subject.name, attribute, str(value))
            for subject in subjects
            for attribute, value in vars(subject).items()
            if attribute != "name"
        )


def create() -> World:
    """The world, always the same."""
    rng = random.Random(WORLD_SEED)
    town_names = rng.sample([h + t for h in words.TOWN_HEADS for t in words.TOWN_TAILS], N_TOWNS)
    people_names = rng.sample(
        [f"{first} {family}" for first in words.FIRST_NAMES for family in words.FAMILY_NAMES],
        N_PEOPLE,
    )
    towns = tuple(
        Town(
            name=name,
            river=rng.choice(words.RIVERS),
            product=rng.choice(words.PRODUCTS),
            founded=rng.randrange(801, 1799),
            flag=rng.choice(words.ANIMALS),
            gates=rng.choice(GATES),
            mayor=rng.choice(people_names),
        )
        for name in town_names
    )
    people = tuple(
        Person(
            name=name,
            home=rng.choice(town_names),
            trade=rng.choice(words.TRADES),
            born=rng.randrange(1801, 1899),
            pet=rng.choice(words.ANIMALS),
            food=rng.choice(words.FOODS),
            treasure=f"{rng.choice(words.QUALITIES)} {rng.choice(words.THINGS)}",
        )
        for name in people_names
    )
    return World(towns, people)
