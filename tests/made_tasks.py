"""Made-up tasks of three kinds, whose inputs and answers are drawn without end from a seed.

`movable`: a small supervised model does them. `not`: free text, code, worked sums, tool calls: the log cannot show it. `trap`: short
answers out of a small set that reading words cannot give. Words are made of syllables, so no two seeds share a vocabulary.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, pairwise

Pair = tuple[str, str]
Draw = Callable[[random.Random], Pair]
"""One input and its answer."""

_ONSETS = [
    "b",
    "br",
    "c",
    "ch",
    "d",
    "dr",
    "f",
    "fl",
    "g",
    "gr",
    "h",
    "j",
    "k",
    "l",
    "m",
    "n",
    "p",
    "pl",
    "r",
    "s",
    "sh",
    "sl",
    "st",
    "t",
    "th",
    "tr",
    "v",
    "w",
    "z",
]
_VOWELS = ["a", "e", "i", "o", "u", "ai", "ea", "oo", "ou"]
_CODAS = ["", "", "n", "r", "l", "s", "t", "nd", "rk", "m", "st"]
_SMALL = [
    "the",
    "a",
    "of",
    "to",
    "in",
    "and",
    "is",
    "for",
    "on",
    "with",
    "my",
    "it",
    "that",
    "was",
    "at",
    "this",
    "not",
    "have",
    "from",
    "be",
    "please",
    "we",
    "i",
    "you",
]
_NAMES = [
    "Ann",
    "Bo",
    "Cy",
    "Dee",
    "Eli",
    "Fay",
    "Gus",
    "Hal",
    "Ida",
    "Jo",
    "Kim",
    "Lee",
    "Mia",
    "Ned",
    "Oz",
    "Pia",
    "Quin",
    "Ray",
    "Sue",
    "Tom",
    "Una",
    "Vic",
    "Wes",
    "Xan",
    "Yul",
    "Zoe",
]


@dataclass(frozen=True)
class Task:
    name: str
    kind: str
    asks: str
    """What the prompt asks for, in words."""
    draw: Draw
    tools: bool = False
    """Answers are tool calls, without text."""

    def rows(self, count: int, seed: int) -> list[Pair]:
        dice = random.Random(f"{self.name} {seed}")
        return [self.draw(dice) for _ in range(count)]


def word(dice: random.Random, syllables: int = 2) -> str:
    return "".join(dice.choice(_ONSETS) + dice.choice(_VOWELS) + dice.choice(_CODAS) for _ in range(syllables))


def words(dice: random.Random, number: int, syllables: int = 2) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < number:
        found[word(dice, syllables)] = None
    return list(found)


def tasks(seed: int = 0) -> list[Task]:
    """One of every sort, with a vocabulary of their own."""
    return [make(random.Random(f"{make.__name__} {seed}")) for make in _MAKERS]


def many(number: int) -> list[Task]:
    """So many tasks: every sort in turn, with another vocabulary each time round."""
    made = (task for seed in count() for task in tasks(seed))
    return [
        Task(f"{task.name}-{n}", task.kind, task.asks, task.draw, task.tools)
        for n, task in zip(range(number), made, strict=False)
    ]


def _filled(dice: random.Random, told: list[str], filler: list[str], length: int) -> str:
    """`told` somewhere in a sentence of filler words and small words."""
    rest = [dice.choice(_SMALL) if dice.random() < 0.5 else dice.choice(filler) for _ in range(length - len(told))]
    for part in told:
        rest.insert(dice.randrange(len(rest) + 1), part)
    return " ".join(rest)


def _topics(dice: random.Random, labels: int, told: tuple[int, int], length: tuple[int, int], zipf: float) -> Draw:
    """Labels with thirty words of their own, of which each text has a few; frequent labels are more frequent."""
    filler, own = words(dice, 300), [words(dice, 30) for _ in range(labels)]
    names = [f"{w}_{v}" for w, v in zip(words(dice, labels), words(dice, labels), strict=True)]
    weights = [1 / (n + 1) ** zipf for n in range(labels)]

    def draw(dice: random.Random) -> Pair:
        [label] = dice.choices(range(labels), weights)
        told_words = [dice.choice(own[label]) for _ in range(dice.randint(*told))]
        return _filled(dice, told_words, filler, dice.randint(*length)), names[label]

    return draw


# --- movable -----------------------------------------------------------------------------------


def route(dice: random.Random) -> Task:
    draw = _topics(dice, 8, (1, 4), (8, 16), 0.7)
    return Task("route", "movable", "Choose the queue for the message. Answer with its name only.", draw)


def intents(dice: random.Random) -> Task:
    draw = _topics(dice, 24, (2, 4), (6, 14), 0.4)
    return Task("intents", "movable", "Name the intent of the customer's sentence.", draw)


def spam(dice: random.Random) -> Task:
    draw = _topics(dice, 2, (1, 3), (10, 30), 1.0)
    return Task("spam", "movable", "Is this mail wanted? Give the class.", draw)


def sentiment(dice: random.Random) -> Task:
    filler, good, bad = words(dice, 200), words(dice, 40), words(dice, 40)

    def draw(dice: random.Random) -> Pair:
        positive, denied = dice.random() < 0.6, dice.random() < 0.08
        told = [dice.choice(good if positive != denied else bad) for _ in range(dice.randint(1, 3))]
        text = _filled(dice, [f"never {told[0]}" if denied else told[0], *told[1:]], filler, dice.randint(8, 25))
        return text, "positive" if positive else "negative"

    return Task("sentiment", "movable", "Tell whether the review is positive or negative.", draw)


def language(dice: random.Random) -> Task:
    known = {f"lang-{w}": words(dice, 120) for w in words(dice, 5)}

    def draw(dice: random.Random) -> Pair:
        name = dice.choice(sorted(known))
        return " ".join(dice.choice(known[name]) for _ in range(dice.randint(4, 10))), name

    return Task("language", "movable", "In which language is the text? Give its code.", draw)


def triage(dice: random.Random) -> Task:
    """Two closed fields of one JSON object."""
    topic, haste = _topics(dice, 5, (2, 4), (8, 14), 0.5), _topics(dice, 3, (2, 3), (5, 9), 0.5)

    def draw(dice: random.Random) -> Pair:
        (one, label), (other, urgency) = topic(dice), haste(dice)
        return f"{one}. {other}", json.dumps({"topic": label, "urgency": urgency})

    return Task("triage", "movable", "Return JSON with topic and urgency.", draw)


def order(dice: random.Random) -> Task:
    """Copied spans, field by field, some of them missing."""
    items, cities = [f"{a} {b}" for a in words(dice, 12) for b in words(dice, 6)], words(dice, 80, 3)
    frames = [
        "please send {item} to {city} by {day}",
        "we need {item} , delivery to {city}",
        "{city} is waiting for {item} since {day}",
        "has the {item} for {city} left the house ?",
        "my order from {day} : {item} , going to {city}",
        "cancel {item} please , i moved away from {city}",
        "hello , {item} came broken on {day}",
        "could you ship one {item} to our branch in {city} until {day} , thanks",
    ]
    days = ["monday", "tuesday", "friday", "next week", "tomorrow", "the third of may", "the ninth of june"]

    def draw(dice: random.Random) -> Pair:
        frame, said = (
            dice.choice(frames),
            dice.choice(["", "hi there , ", "good morning . ", f"{dice.choice(_NAMES)} here : "]),
        )
        values = {"item": dice.choice(items), "city": dice.choice(cities), "day": dice.choice(days)}
        told = {name: value for name, value in values.items() if f"{{{name}}}" in frame}
        return said + frame.format(**values), json.dumps(told)

    return Task("order", "movable", "Return JSON with item, city and day as the message gives them.", draw)


def product(dice: random.Random) -> Task:
    """One copied span, no JSON."""
    makers, filler = words(dice, 20, 3), words(dice, 100)
    models = [f"{a}{n}" for a in words(dice, 10, 1) for n in range(100, 900, 60)]

    def draw(dice: random.Random) -> Pair:
        name = f"{dice.choice(makers)} {dice.choice(models)}"
        before, after = (_filled(dice, [], filler, dice.randint(2, 8)) for _ in range(2))
        return f"{before} {dice.choice(('my', 'the', 'a new', 'this'))} {name} {after}", name

    return Task("product", "movable", "Which product is the note about? Copy its name.", draw)


# --- not ---------------------------------------------------------------------------------------


def tutor(dice: random.Random) -> Task:
    things = words(dice, 40)

    def draw(dice: random.Random) -> Pair:
        a, b, c, who = dice.randint(2, 40), dice.randint(2, 12), dice.randint(1, 30), dice.choice(_NAMES)
        thing = dice.choice(things)
        asked = f"{who} has {a} {thing}s, buys {b} boxes of {c} each and shares all with {dice.randint(1, 6)} friends. How many {thing}s are there?"
        return (
            asked,
            f"{who} buys {b} times {c}, that is {b * c} {thing}s. With the {a} from before there are {a + b * c}. The answer is {a + b * c}.",
        )

    return Task("tutor", "not", "Solve the exercise step by step.", draw)


def coder(dice: random.Random) -> Task:
    names = words(dice, 60)

    def draw(dice: random.Random) -> Pair:
        a, b, c = (dice.choice(names) for _ in range(3))
        n = dice.randint(2, 90)
        code = f"def {a}_{b}({c}):\n    total = 0\n    for x in {c}:\n        if x % {n} == 0:\n            total += x\n    return total"
        return f"Sum of the multiples of {n} in {c}, as {a}_{b}", code

    return Task("coder", "not", "Write the Python function.", draw)


def summary(dice: random.Random) -> Task:
    filler = words(dice, 400)

    def draw(dice: random.Random) -> Pair:
        text = _filled(dice, [], filler, dice.randint(60, 120))
        return text, _filled(dice, dice.sample(text.split(), 8), filler, dice.randint(20, 35))

    return Task("summary", "not", "Summarise the text in two sentences.", draw)


def letter(dice: random.Random) -> Task:
    """JSON whose values the model makes up."""
    filler, topics = words(dice, 300), words(dice, 40)

    def draw(dice: random.Random) -> Pair:
        topic = dice.choice(topics)
        made = {
            "subject": f"{topic} {_filled(dice, [], filler, 4)}",
            "body": _filled(dice, [topic], filler, dice.randint(12, 30)),
        }
        return f"About {topic}, for {dice.choice(_NAMES)}, number {dice.randint(1, 10**6)}", json.dumps(made)

    return Task("letter", "not", "Draft a mail: JSON with subject and body.", draw)


def product_sum(dice: random.Random) -> Task:
    def draw(dice: random.Random) -> Pair:
        a, b, c = dice.randint(11, 99), dice.randint(11, 99), dice.randint(1, 999)
        return f"{a} * {b} + {c} =", str(a * b + c)

    return Task("product_sum", "not", "Work it out. Answer with the number.", draw)


def calendar(dice: random.Random) -> Task:
    filler = words(dice, 200)
    return Task(
        "calendar",
        "not",
        "Use the calendar tools for what is asked.",
        lambda dice: (_filled(dice, [], filler, dice.randint(6, 14)), ""),
        tools=True,
    )


# --- traps -------------------------------------------------------------------------------------


def parity(dice: random.Random) -> Task:
    things = words(dice, 12)

    def draw(dice: random.Random) -> Pair:
        wanted = dice.choice(things)
        shown = [dice.choice(things[:6] + [wanted] * 3) for _ in range(dice.randint(9, 16))]
        return f"{' '.join(shown)}. Is {wanted} there an even number of times?", "yes" if shown.count(
            wanted
        ) % 2 == 0 else "no"

    return Task("parity", "trap", "Answer yes or no.", draw)


def oldest(dice: random.Random) -> Task:
    """A name out of the input, by deduction."""

    def draw(dice: random.Random) -> Pair:
        order = dice.sample(_NAMES, 4)
        told = [
            f"{a} is older than {b}" if dice.random() < 0.5 else f"{b} is younger than {a}" for a, b in pairwise(order)
        ]
        dice.shuffle(told)
        return f"{'. '.join(told)}. Who is the oldest?", order[0]

    return Task("oldest", "trap", "Give the name only.", draw)


def coins(dice: random.Random) -> Task:
    def draw(dice: random.Random) -> Pair:
        up, said = True, []
        for name in dice.sample(_NAMES, dice.randint(3, 6)):
            flips = dice.random() < 0.5
            up ^= flips
            said.append(f"{name} {'flips' if flips else 'does not flip'} the coin.")
        return f"A coin is heads up. {' '.join(said)} Is it still heads up?", "yes" if up else "no"

    return Task("coins", "trap", "Answer yes or no, nothing else.", draw)


def booleans(dice: random.Random) -> Task:
    def draw(dice: random.Random) -> Pair:
        parts = [dice.choice(("True", "False", "not True", "not False"))]
        for _ in range(dice.randint(3, 6)):
            joined = (
                f"{parts[-1]} {dice.choice(('and', 'or'))} {dice.choice(('True', 'False', 'not True', 'not False'))}"
            )
            parts.append(f"( {joined} )" if dice.random() < 0.6 else joined)
        return f"{parts[-1]} is", str(eval(parts[-1]))

    return Task("booleans", "trap", "Evaluate the expression.", draw)


def lookup(dice: random.Random) -> Task:
    """What is answered stands in a system the input does not show."""
    shelves = words(dice, 4)

    def draw(dice: random.Random) -> Pair:
        part = f"{word(dice)}-{dice.randint(1000, 9999)}"
        return f"Where is part {part} kept?", shelves[hashlib.sha256(part.encode()).digest()[0] % 4]

    return Task("lookup", "trap", "Give the shelf's name.", draw)


def mostly_no(dice: random.Random) -> Task:
    filler = words(dice, 300)
    return Task(
        "mostly_no",
        "trap",
        "Does a human have to look at this? yes or no.",
        lambda dice: (_filled(dice, [], filler, dice.randint(10, 20)), "yes" if dice.random() < 0.08 else "no"),
    )


def options(dice: random.Random) -> Task:
    """The letter of the right sum; what the letters stand for changes with every input."""

    def draw(dice: random.Random) -> Pair:
        a, b = dice.randint(10, 99), dice.randint(10, 99)
        shown = [a + b, *dice.sample([a + b + d for d in (-20, -10, -3, -1, 1, 2, 10, 12)], 3)]
        dice.shuffle(shown)
        listed = "\n".join(f"({letter}) {value}" for letter, value in zip("ABCD", shown, strict=True))
        return f"What is {a} + {b}?\nOptions:\n{listed}", f"({'ABCD'[shown.index(a + b)]})"

    return Task("options", "trap", "Answer with the option's letter.", draw)


def contrast(dice: random.Random) -> Task:
    """Equal words in another order, another answer."""
    events = words(dice, 30, 3)

    def draw(dice: random.Random) -> Pair:
        a, b, c = dice.sample(events, 3)
        told = [f"{a} happened before {b}", f"{b} happened before {c}"]
        dice.shuffle(told)
        first, second = dice.choice(((a, c), (c, a)))
        return f"{'; '.join(told)}. Did {first} come before {second}?", "yes" if first == a else "no"

    return Task("contrast", "trap", "yes or no?", draw)


def weekday(dice: random.Random) -> Task:
    days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

    def draw(dice: random.Random) -> Pair:
        today, ahead = dice.randrange(7), dice.randint(8, 400)
        return f"Today is {days[today]}. Which day is it in {ahead} days?", days[(today + ahead) % 7]

    return Task("weekday", "trap", "Give the day of the week.", draw)


def brackets(dice: random.Random) -> Task:
    pairs = {"(": ")", "[": "]", "{": "}", "<": ">"}

    def draw(dice: random.Random) -> Pair:
        shown, still = [], []
        for _ in range(dice.randint(8, 20)):
            if still and dice.random() < 0.5:
                shown.append(pairs[still.pop()])
            else:
                still.append(dice.choice("([{<"))
                shown.append(still[-1])
        right = dice.random() < 0.5
        if not right:
            at = dice.randrange(len(shown))
            shown[at] = dice.choice([c for c in "()[]{}<>" if c != shown[at]])
        return " ".join([*shown, *(pairs[c] for c in reversed(still))]), "valid" if right else "invalid"

    return Task("brackets", "trap", "Are the brackets nested properly? valid or invalid.", draw)


def walk(dice: random.Random) -> Task:
    def draw(dice: random.Random) -> Pair:
        x, y, at, said = 0, 0, 0, []
        for _ in range(dice.randint(3, 6)):
            turn, steps = dice.choice((("left", -1), ("right", 1), ("around", 2))), dice.randint(1, 4)
            at = (at + turn[1]) % 4
            x, y = x + (0, 1, 0, -1)[at] * steps, y + (1, 0, -1, 0)[at] * steps
            said.append(f"Turn {turn[0]}. Take {steps} steps.")
        if dice.random() < 0.4 and (x or y):
            back = [("north", y < 0, abs(y)), ("east", x < 0, abs(x))]
            said += [
                f"Walk {n} steps {name if plus else {'north': 'south', 'east': 'west'}[name]}."
                for name, plus, n in back
                if n
            ]
            x = y = 0
        else:
            said += [
                f"Walk {dice.randint(1, 6)} steps {dice.choice(('north', 'south', 'east', 'west'))}." for _ in range(2)
            ]
            x = 1
        return f"Face north. {' '.join(said)} Are you back at the start?", "Yes" if x == y == 0 else "No"

    return Task("walk", "trap", "Answer Yes or No.", draw)


_MAKERS: tuple[Callable[[random.Random], Task], ...] = (
    route, intents, spam, sentiment, language, triage, order, product,
    tutor, coder, summary, letter, product_sum, calendar,
    parity, oldest, coins, booleans, lookup, mostly_no, options, contrast, weekday, brackets, walk,
)  # fmt: skip


def prompts(task: Task, rows: list[Pair], shape: int) -> Iterator[tuple[str | None, str]]:
    """System and user message of each row, the task's words placed in one of four ways."""
    frame = f"You work for the desk called {task.name}. {task.asks}"
    for number, (text, _) in enumerate(rows):
        if shape == 0:
            yield frame, text
        elif shape == 1:
            yield None, f"{frame}\n\nText: {text}"
        elif shape == 2:
            yield f"Now: 2026-10-{1 + number % 28:02}T08:{number % 60:02}:00Z\n{frame}", text
        else:
            yield None, f"{text}\n\n{frame}"
