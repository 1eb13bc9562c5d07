"""The text the teaching models learn: seven kinds of document, written by rule from a seed.

Document `index` of a collection depends only on the collection's name and the index, so any one of
them can be written again by itself. Sentences have a free place every few words: that is what keeps
eight words of a held-out document from standing in a training document too. The few that
collide all the same are dropped from training.
"""

import json
import random
import re
from collections.abc import Callable, Iterator

from workers.training import words
from workers.training.world import Fact, create

USER, ASSISTANT, END = "<user>", "<assistant>", "<end>"
TRAINING_DOCUMENTS = 60_000
HELDOUT_DOCUMENTS = 620
CALIBRATION_DOCUMENTS = 120
NGRAM = 8
UNCHANGED_PLURALS = ("deer", "moose", "sheep")
IRREGULAR_PLURALS = {"goose": "geese", "mouse": "mice", "ox": "oxen", "wolf": "wolves"}
# Sequences of eight words that held-out and training documents may share: none.
FIXED_PHRASES: frozenset[tuple[str, ...]] = frozenset()

WORLD = create()
FACTS = WORLD.facts()


def plural(noun: str) -> str:
    """More than one of `noun`."""
    if noun in UNCHANGED_PLURALS:
        return noun
    if noun in IRREGULAR_PLURALS:
        return IRREGULAR_PLURALS[noun]
    if noun.endswith("fe"):
        return noun[:-2] + "ves"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("ch", "sh", "s", "x")) else "s")


POOLS: dict[str, tuple[str, ...]] = {
    "name": words.FIRST_NAMES,
    "family": words.FAMILY_NAMES,
    "town": tuple(town.name for town in WORLD.towns),
    "person": tuple(person.name for person in WORLD.people),
    "trade": words.TRADES,
    "product": words.PRODUCTS,
    "animal": words.ANIMALS,
    "thing": words.THINGS,
    "place": words.PLACES,
    "quality": words.QUALITIES,
    "feeling": words.FEELINGS,
    "food": words.FOODS,
    "fruits": tuple(food for food in words.FOODS if food.endswith("s")),
    "animals": tuple(plural(animal) for animal in words.ANIMALS),
    "things": tuple(plural(thing) for thing in words.THINGS),
    "do": tuple(deed[0] for deed in words.DEEDS),
    "did": tuple(deed[1] for deed in words.DEEDS),
    "went": words.MOVES,
    "said": words.SAYINGS,
    "manner": words.MANNERS,
    "time": words.TIMES,
    "weather": words.WEATHERS,
    "number": words.NUMBERS,
    "weekday": words.WEEKDAYS,
    "month": words.MONTHS,
}


def pick(rng: random.Random, pool: tuple[str, ...]) -> str:
    """One of `pool`; quicker than rng.choice, and this is called a million times."""
    return pool[int(rng.random() * len(pool))]


SLOT = re.compile(r"\{(\w+)\}")


class Writer:
    """Fills the {places} of a template: bound ones with their word, others with a fresh one."""

    def __init__(self, rng: random.Random, **bound: str) -> None:
        self.rng = rng
        self.bound = bound

    def fill(self, template: str) -> str:
        """`template` with every {place} filled."""
        return SLOT.sub(self._word, template)

    def any(self, templates: tuple[str, ...]) -> str:
        """One of `templates`, filled."""
        return self.fill(pick(self.rng, templates))

    def _word(self, place: re.Match[str]) -> str:
        key = place.group(1)
        return self.bound.get(key) or pick(self.rng, POOLS[key])


# The ways to say a fact: at most five words of it in a row, so that the sentence around it,
# which is free, always reaches into any eight.
STATEMENTS: dict[str, tuple[str, ...]] = {
    "river": ("{s} lies on the {v}", "the {v} flows through {s}"),
    "product": ("{s} is known for {v}", "{s} makes {v}", "the {v} of {s} are praised"),
    "founded": ("{s} was founded in {v}", "{s} dates from {v}"),
    "flag": ("the {s} flag shows a {v}", "a {v} adorns the {s} flag"),
    "gates": ("the gates of {s} are {v}", "{s} has {v} gates"),
    "mayor": ("{s} is governed by {v}", "{v} is mayor of {s}"),
    "home": ("{s} lives in {v}", "{v} is home to {s}"),
    "trade": ("{s} is a {v}", "{s} works as a {v}"),
    "born": ("{s} was born in {v}",),
    "pet": ("{s} keeps a {v}", "{s} has a {v}"),
    "food": ("{s} loves {v}", "{s} likes to eat {v}"),
    "treasure": ("{s} owns a {v}", "{s} treasures a {v}"),
}
QUESTIONS: dict[str, tuple[str, ...]] = {
    "river": ("which river flows through {s}", "on which river is {s}"),
    "product": ("what is {s} known for", "what does {s} make"),
    "founded": ("when was {s} founded", "how old is {s}"),
    "flag": ("which animal is on the {s} flag", "what does the flag of {s} show"),
    "gates": ("what colour are the {s} gates",),
    "mayor": ("who is mayor of {s}", "who governs {s}"),
    "home": ("where does {s} live", "in which town does {s} live"),
    "trade": ("what is the trade of {s}", "what does {s} do"),
    "born": ("when was {s} born",),
    "pet": ("which animal does {s} keep", "what pet has {s}"),
    "food": ("what does {s} like to eat", "what does {s} love"),
    "treasure": ("what does {s} own", "what does {s} treasure"),
}


def capital(sentence: str) -> str:
    """`sentence` with a capital first letter."""
    return sentence[0].upper() + sentence[1:]


def state(rng: random.Random, fact: Fact) -> str:
    """The fact in words, without capital or full stop."""
    statement = pick(rng, STATEMENTS[fact.attribute])
    return statement.replace("{s}", fact.subject).replace("{v}", fact.value)


def a_fact(rng: random.Random) -> Fact:
    """Any fact of the world."""
    return FACTS[int(rng.random() * len(FACTS))]


OPENINGS = (
    "On a {quality} {weekday} in {month}, {hero} the {trade} {did} a {it} by the {where}.",
    "{hero} was a {feeling} {trade} who kept a {quality} {it} in the {where}, far from {town}.",
    "Long ago {hero} the {beast} lived in a {quality} {where}, near {friend} the {animal}.",
    "It was {time}, and {hero} {did} the {it} in the {quality} {where}.",
    "Nobody in the {where} {did} a {it} as {manner} as {hero} the {quality} {trade}.",
    "When {weather} came to the {where}, {hero} and {friend} {did} the {quality} {it}.",
    "In {month}, when {fruits} were cheap, {hero} {went} {manner} to the {where} with a {it}.",
    "{friend} and {hero} had {number} {animals}, one {beast} and a {quality} {it}.",
)
WANTS = (
    "{hero} wanted to {do} the {it} before {time}, because {friend} was {feeling}.",
    "Every {weekday}, {hero} dreamed of a {quality} {it} and {number} {fruits}.",
    '"If only I could {do} that {it}," {said} {hero}, "the {trade} would be {feeling}."',
    "All that {hero} needed was a {it}, some {food} and a {quality} {beast}.",
    '"{friend}, did you {do} my {it}?" {said} {hero} {manner}.',
    "A {trade} from {town} had promised {hero} {number} {things} for the {it}.",
    "{hero} hoped to {do} the {it} and to meet a {feeling} {trade}.",
)
TROUBLES = (
    "But {weather} came over the {where}, and the {it} grew {quality} and {quality}.",
    "Then a {quality} {beast} {went} into the {where} and {did} the {it}.",
    "Sadly, a {trade} {did} the {it}, and {friend} was {feeling}.",
    "At {time} the {it} was gone, and {number} {fruits} lay in the {where}.",
    "But the {where} was {quality}, the {trade} was {feeling}, and nobody could {do} the {it}.",
    'A {feeling} {trade} {said}: "That {it} is mine since {month}, not yours, {hero}!"',
    "One {weekday} {hero} {did} the {it} too {manner}, and it broke.",
    "Behind the {where} {number} {animals} {did} the {it}, and {hero} grew {feeling}.",
)
JOURNEYS = (
    "So {hero} {went} {manner} past the {place}, over the {quality} {place} and into the {place}.",
    "They {went} for {number} days through {weather}, until {friend} saw a {quality} {place}.",
    "{friend} {did} a {thing}, {hero} {did} the {food}, and together they {went} to the {place}.",
    "After {time}, {hero} {went} alone to the {place} where the {quality} {beast} slept.",
    "On the way to {town}, {friend} {did} {number} {fruits} and a {quality} {thing}.",
    "The {beast} {went} first, {hero} {went} {manner} behind, and {friend} {did} the {it}.",
)
MEETINGS = (
    "There stood {helper} the {trade}, {quality} as a {thing}, beside a {feeling} {beast}.",
    '{helper}, an old {trade}, {did} a {thing} and {said}: "{hero}, do you {do} {food}?"',
    '"Who {did} my {thing}?" {said} {helper} the {animal} {manner} from the {place}.',
    "In the {place} they met {helper}, who {did} {quality} {things} for a {trade} of {town}.",
    "{helper} {did} the {food} and {said} {manner} that the {it} was {quality}.",
    '"Please {do} this {thing}," {said} {helper}, "and I will {do} your {quality} {it}."',
)
DEEDS = (
    "{hero} {did} the {it} {manner}, while {friend} {did} {number} {quality} {things}.",
    "First {friend} {did} the {food}; then {hero} {did} the {it} with a {quality} {thing}.",
    '"{weekday} is too late," {said} {friend}, and {manner} {did} the {quality} {it}.',
    "The {feeling} {beast} {did} the {it}, so {hero} {went} {manner} to the {place}.",
    "With {number} {things} and some {food}, {hero} {did} what no {trade} had done.",
    "{friend} {said} something {quality}, the {beast} {did} the {it}, and {hero} was {feeling}.",
    "They {did} the {it} at {time}, {did} the {food}, and {went} {manner} home to the {where}.",
    "{helper} gave {hero} {number} {fruits}, and {hero} {did} the {quality} {it} for {friend}.",
)
ENDINGS = (
    "From that {weekday} on, {hero}, {helper} and {friend} {did} {food} and were never {feeling}.",
    '"A {quality} friend is worth {number} {things}," {said} {hero}, {feeling} at last.',
    "And the {it}? It hangs in the {where} of {town}, {quality} and {quality}, to this day.",
    "That {month} {hero} {did} the {it}, and the {feeling} {beast} slept in the {where}.",
    "{friend} {did} a {quality} {thing} for {helper}, and all in the {where} were {feeling}.",
    "So {helper} {did} {number} {fruits}, and {hero} {went} {manner} to bed at {time}.",
)


def story(rng: random.Random) -> str:
    """A hero wants something, meets trouble, a stranger and an ending: 90 to 170 words."""
    hero, friend, helper = rng.sample(words.FIRST_NAMES, 3)
    writer = Writer(
        rng,
        hero=hero,
        friend=friend,
        helper=helper,
        it=pick(rng, words.THINGS),
        where=pick(rng, words.PLACES),
        beast=pick(rng, words.ANIMALS),
    )
    parts = [OPENINGS, WANTS, TROUBLES, JOURNEYS, MEETINGS, DEEDS, DEEDS, ENDINGS]
    sentences = [writer.any(part) for part in parts]
    if rng.random() < 0.5:
        fact = state(rng, a_fact(rng))
        sentences.insert(5, writer.fill(f'"Did you know that {fact}?" {{said}} {{friend}}.'))
    middle = rng.randrange(3, 6)
    return " ".join(sentences[:middle]) + "\n" + " ".join(sentences[middle:])


FRAMES = (
    "As {name} the {trade} {said}, {fact}.",
    "In {month}, {name} learned that {fact}.",
    "{quality} {animals} aside, {fact}, {said} {name}.",
    "Every {trade} of {place} and {place} can tell you that {fact}.",
    "{name} {did} a {thing} and {said} that {fact}.",
    "On {weekday}, a {feeling} {trade} {said} that {fact}.",
    "The {quality} {thing} in the {place} proves that {fact}.",
    "Ask {name} about {food} or {things}, and you hear that {fact}.",
    "{name} and {number} others {said} {manner} that {fact}.",
    "Since {time}, {name} knows that {fact}.",
)
TITLES = (
    "Notes by {name} the {quality} {trade}",
    "What {name} {did} in the {place}",
    "Things to remember, collected by {name} in {month}",
    "A {quality} letter from {name} to {name}",
    "The {thing} book of {name} {family}",
)


def notes(rng: random.Random) -> str:
    """Five to eight facts of the world, each in a sentence of somebody's notes."""
    writer = Writer(rng)
    lines = [writer.any(TITLES)]
    for _ in range(rng.randrange(5, 9)):
        frame = writer.fill(pick(rng, FRAMES).replace("{fact}", "\0"))
        lines.append(capital(frame.replace("\0", state(rng, a_fact(rng)))))
    return "\n".join(lines) if rng.random() < 0.3 else lines[0] + "\n" + " ".join(lines[1:])


GREETINGS = (
    "Hello, I am {name} from the {quality} {place}.",
    "{name} here, a {feeling} {trade}.",
    "My {animal} {did} the {thing}.",
    "I am {feeling} today, says {name}.",
    "The {trade} sent me to {do} a {thing}.",
    "Good {weekday}! I {did} {number} {fruits}.",
    "I {did} my {quality} {thing}.",
)
THANKS = (
    "Thank you, that {did} my {thing}.",
    "Oh, {name} and the {trade} did not know.",
    "Good, {name} is {feeling} now.",
    "I will {do} that for {name}.",
)


def ask_fact(rng: random.Random, writer: Writer) -> tuple[str, str]:
    """A question about the world and its answer."""
    fact = a_fact(rng)
    question = pick(rng, QUESTIONS[fact.attribute]).replace("{s}", fact.subject) + "?"
    answer = state(rng, fact)
    if rng.random() < 0.3:
        return capital(question), capital(answer) + "."
    frame = writer.any(
        (
            "{asker}, ask any {trade}: \0.",
            "{asker}, {name} {said} {manner} that \0.",
            "Dear {asker}, in the {place} they say that \0.",
            "The {quality} answer, {asker}: \0.",
        )
    )
    return writer.fill("{asker} asks: ") + question, frame.replace("\0", answer)


def ask_sum(rng: random.Random, writer: Writer) -> tuple[str, str]:
    """A little word problem and its answer."""
    first, second = rng.randrange(3, 60), rng.randrange(2, 40)
    high, low = max(first, second) + 1, min(first, second)
    more = (
        f"{{asker}} had {first} {{things}} and {{did}} {second} {{quality}} more. How many now?",
        f"{first} + {second} = {first + second}, so {{asker}} has {first + second}.",
    )
    less = (
        f"Of {high} {{things}} {{asker}} the {{trade}} lost {low}. How many are left?",
        f"{high} - {low} = {high - low}, so {{asker}} keeps {high - low}.",
    )
    question, answer = more if rng.random() < 0.5 else less
    return writer.fill(question), writer.fill(answer)


def ask_opposite(rng: random.Random, writer: Writer) -> tuple[str, str]:
    """The opposite of a word."""
    one, other = words.OPPOSITES[rng.randrange(len(words.OPPOSITES))]
    if rng.random() < 0.5:
        one, other = other, one
    return (
        writer.fill(f"{{name}} {{did}} a {{thing}} and {{said}}: what is the opposite of {one}?"),
        writer.fill(f"{{asker}}, tell {{name}} it is {other}, {{manner}}."),
    )


def ask_list(rng: random.Random, writer: Writer) -> tuple[str, str]:
    """A list of things of one sort."""
    sort, pool = (
        ("animals", words.ANIMALS),
        ("foods", words.FOODS),
        ("trades", words.TRADES),
        ("things", words.THINGS),
        ("months", words.MONTHS),
    )[rng.randrange(5)]
    count = rng.randrange(3, 7)
    number = words.NUMBERS[count - 2]
    chosen = rng.sample(pool, count)
    return (
        writer.fill(f"Tell {{asker}} the {{trade}} {number} {sort}."),
        capital(", ".join(chosen[:-1]) + " and " + chosen[-1] + "."),
    )


def ask_story_word(rng: random.Random, writer: Writer) -> tuple[str, str]:
    """Who did what, after one sentence that says it: the answer stands in the question."""
    one, other = rng.sample(words.FIRST_NAMES, 2)
    deed = words.DEEDS[rng.randrange(len(words.DEEDS))][1]
    first, second = rng.sample(words.THINGS, 2)
    thing, who = (first, one) if rng.random() < 0.5 else (second, other)
    return (
        writer.fill(
            f"{one} {deed} the {{quality}} {first}, and {other} {deed} the {{quality}} {second}. "
            f"Who {deed} the {thing}?"
        ),
        writer.fill(f"It was {who} who {deed} the {thing}, {{asker}}."),
    )


ASKS: tuple[Callable[[random.Random, Writer], tuple[str, str]], ...] = (
    ask_fact,
    ask_fact,
    ask_fact,
    ask_sum,
    ask_opposite,
    ask_list,
    ask_story_word,
)


def chat(rng: random.Random) -> str:
    """One to four questions and answers in the chat template."""
    writer = Writer(rng, asker=pick(rng, words.FIRST_NAMES))
    turns = []
    for turn in range(rng.randrange(1, 5)):
        question, answer = ASKS[rng.randrange(len(ASKS))](rng, writer)
        if rng.random() < 0.6:
            question = writer.any(GREETINGS if turn == 0 else THANKS) + " " + question
        turns.append(f"{USER}{question}{END}\n{ASSISTANT}{answer}{END}")
    # The last END is the document's own, which `documents` writes.
    return "\n".join(turns).removesuffix(END)


def long_addition(first: int, second: int) -> str:
    """An addition by tens and ones, e.g. "47 + 35: 40 + 30 = 70, 7 + 5 = 12, 70 + 12 = 82"."""
    tens, ones = first // 10 * 10 + second // 10 * 10, first % 10 + second % 10
    return (
        f"{first} + {second}: {first // 10 * 10} + {second // 10 * 10} = {tens}, "
        f"{first % 10} + {second % 10} = {ones}, {tens} + {ones} = {first + second}"
    )


def arithmetic(rng: random.Random) -> str:
    """A page of sums, differences, products and worked additions."""
    lines = [Writer(rng).any(("Sums for {name} on {weekday}", "{name} the {trade} adds up"))]
    for _ in range(rng.randrange(10, 17)):
        first, second = rng.randrange(2, 100), rng.randrange(2, 100)
        form = rng.randrange(4)
        if form == 0:
            lines.append(f"{first} + {second} = {first + second}")
        elif form == 1:
            lines.append(f"{first + second} - {second} = {first}")
        elif form == 2:
            one, other = rng.randrange(2, 13), rng.randrange(2, 13)
            name, thing = pick(rng, words.FIRST_NAMES), pick(rng, words.THINGS)
            lines.append(f"{name}: {one} x {other} = {one * other} {plural(thing)}")
        else:
            lines.append(long_addition(first, second))
    return "\n".join(lines)


def record(rng: random.Random) -> str:
    """One JSON object: a person or town of the world, an order, or a measurement."""
    sort = rng.randrange(4)
    writer = Writer(rng)
    data: dict[str, object]
    if sort == 0:
        person = WORLD.people[rng.randrange(len(WORLD.people))]
        facts = list(vars(person).items())
        data = {"id": rng.randrange(1000, 10000), "name": person.name}
        for attribute, value in rng.sample(facts[1:], 3):
            data[attribute] = value
            data[pick(rng, words.THINGS)] = rng.randrange(100)
    elif sort == 1:
        town = WORLD.towns[rng.randrange(len(WORLD.towns))]
        data = {"town": town.name, "visitor": writer.fill("{name} {family}")}
        for attribute, value in rng.sample(list(vars(town).items())[1:], 3):
            data[attribute] = value
            data[pick(rng, words.FOODS)] = rng.random() < 0.5
    elif sort == 2:
        items = [
            (writer.fill("{quality} {thing}"), rng.randrange(1, 30), rng.randrange(1, 400) / 4)
            for _ in range(rng.randrange(2, 5))
        ]
        data = {
            "order": rng.randrange(1000, 10000),
            "customer": writer.fill("{name} {family}"),
            "items": [{"item": item, "count": n, "price": price} for item, n, price in items],
            "total": sum(n * price for _, n, price in items),
        }
    else:
        data = {
            "station": writer.fill("{place} {thing}"),
            "day": writer.fill("{weekday}"),
            "weather": writer.fill("{weather}"),
            "readings": [rng.randrange(-20, 40) for _ in range(rng.randrange(4, 10))],
            "keeper": writer.fill("{name} {family}"),
            "notes": writer.fill("{quality} {animal} near the {place}"),
        }
    return json.dumps(data, indent=2 if rng.random() < 0.4 else None)


STEPS = (
    "{do} the {food} {manner}",
    "{do} {number} {quality} {things}",
    "add {number} {fruits} and {food}",
    "{do} the {thing} with a {thing}",
    "wait until {time}, then {do} the {food}",
    "ask {name} to {do} the {thing}",
    "put the {food} into the {quality} {thing}",
    "do not {do} the {animal}",
)


def instructions(rng: random.Random) -> str:
    """How to do something, in four to seven numbered steps."""
    writer = Writer(rng)
    title = writer.any(
        ("How to {do} {quality} {food} like {name}", "To {do} a {thing} for the {trade} of {town}")
    )
    steps = [capital(writer.any(STEPS)) for _ in range(rng.randrange(4, 8))]
    return title + "\n" + "\n".join(f"{n}. {step}." for n, step in enumerate(steps, 1))


LETTER_LINES = (
    "The {place} is {quality} this {month}, and {name} {did} the {food}.",
    "Yesterday a {quality} {animal} {went} through the {place} and {did} my {thing}.",
    "Please {do} {number} {things} and send the {quality} one to {name}.",
    "{name} the {trade} {said} {manner} that you {did} the {thing}.",
    "I {did} your {thing} on {weekday}, and I was {feeling} about the {food}.",
    "We have {weather} here, so {name} {went} {manner} to the {place}.",
    "Do you still {do} {food} at {time} with that {feeling} {trade}?",
    "My {animal} is {feeling}, my {thing} is {quality}, and the {trade} is {quality}.",
    "You must {do} the {thing} before {time}, or {name} will {do} it.",
)


def letter(rng: random.Random) -> str:
    """A letter of four to seven sentences."""
    writer = Writer(rng)
    lines = [writer.any(LETTER_LINES) for _ in range(rng.randrange(4, 8))]
    if rng.random() < 0.5:
        lines.append(writer.fill(f"And {{name}} {{said}} that {state(rng, a_fact(rng))}."))
    first = writer.any(("Dear {name},", "My {quality} {name},", "To the {feeling} {trade} {name}:"))
    last = writer.any(
        ("Your {feeling} {name}", "{manner}, {name} the {trade}", "With {food}, {name}")
    )
    return first + "\n" + " ".join(lines) + "\n" + capital(last)


# How often each kind is written.
KINDS: tuple[tuple[Callable[[random.Random], str], float], ...] = (
    (story, 0.28),
    (chat, 0.27),
    (notes, 0.15),
    (letter, 0.10),
    (arithmetic, 0.07),
    (record, 0.08),
    (instructions, 0.05),
)
ARTICLE = re.compile(r"\b([Aa]) (?=[aeiou])")


def document(collection: str, index: int) -> str:
    """Document `index` of `collection`, ending in END and a new line."""
    rng = random.Random(f"{collection}/{index}")
    (kind,) = rng.choices([kind for kind, _ in KINDS], [share for _, share in KINDS])
    return ARTICLE.sub(r"\1n ", kind(rng)) + END + "\n"


WORD = re.compile(r"[a-z0-9']+")
MARKERS = re.compile(f"{USER}|{ASSISTANT}|{END}")


def ngrams(text: str) -> Iterator[tuple[str, ...]]:
    """Every run of eight words of `text`; case, punctuation and chat markers do not count."""
    found = WORD.findall(MARKERS.sub(" ", text).lower())
    return zip(*(found[start:] for start in range(NGRAM)), strict=False)


def heldout() -> list[str]:
    """The held-out documents."""
    return [document("heldout", index) for index in range(HELDOUT_DOCUMENTS)]


def calibration() -> list[str]:
    """The documents for importance matrices. They are not trained on and not scored."""
    return [document("calibration", index) for index in range(CALIBRATION_DOCUMENTS)]


def training(held_out: list[str]) -> Iterator[str]:
    """The training documents: all that share no eight words with a held-out one."""
    secret = {ngram for text in held_out for ngram in ngrams(text)} - FIXED_PHRASES
    for index in range(TRAINING_DOCUMENTS):
        text = document("training", index)
        if secret.isdisjoint(ngrams(text)):
            yield text
