"""Further made-up tasks, of other families than tests/made_tasks.py, on which nothing was ever set: for leave_one_out.py --fresh SEED.

Written before any of them was judged. Use another seed after every change of a gate: it draws other words, names and rows.
`movable`, `not` and `trap` as in made_tasks.py; a task whose answers change their meaning half-way is a trap.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from made_tasks import Draw, Pair, Task, word, words

_MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]  # fmt: skip
_FIRST = ["Aino", "Bruno", "Carla", "Dario", "Edda", "Femke", "Goran", "Hanna", "Ilja", "Juna", "Kofi", "Lotte", "Maren", "Nils", "Olga", "Piet"]  # fmt: skip
_LINKS = ["the", "our", "and", "then", "about", "with", "since", "still", "because", "again", "after", "before", "there", "only", "so"]  # fmt: skip


@dataclass(frozen=True)
class Turned(Task):
    """A task whose rows come from another draw after two thirds of them."""

    later: Draw | None = None

    def rows(self, count: int, seed: int) -> list[Pair]:
        dice = random.Random(f"{self.name} {seed}")
        turn = 2 * count // 3
        return [(self.draw if n < turn or self.later is None else self.later)(dice) for n in range(count)]


def _said(dice: random.Random, told: list[str], filler: list[str], length: int) -> str:
    rest = [dice.choice(_LINKS if dice.random() < 0.35 else filler) for _ in range(length)]
    for part in told:
        rest.insert(dice.randrange(len(rest) + 1), part)
    return " ".join(rest)


def _name(dice: random.Random) -> str:
    return f"{dice.choice(_FIRST)} {word(dice).capitalize()}"


def _day(dice: random.Random, first: int = 2019, last: int = 2026) -> date:
    return date(first, 1, 1) + timedelta(days=dice.randrange(365 * (last - first + 1)))


def _spelt(dice: random.Random, day: date) -> str:
    return dice.choice((day.isoformat(), f"{day.day} {_MONTHS[day.month - 1]} {day.year}", f"{day.day:02}.{day.month:02}.{day.year}"))  # fmt: skip


def _slipped(dice: random.Random, text: str, share: float) -> str:
    """With letters swapped in some words, as typed in haste."""

    def slip(part: str) -> str:
        if len(part) < 4 or dice.random() >= share:
            return part
        at = dice.randrange(1, len(part) - 1)
        return part[: at - 1] + part[at] + part[at - 1] + part[at + 1 :]

    return " ".join(map(slip, text.split(" ")))


# --- movable -----------------------------------------------------------------------------------


def priority(dice: random.Random) -> Task:
    """Three classes, 75, 20 and 5 of a hundred."""
    filler, own = words(dice, 250), [words(dice, 35) for _ in range(3)]
    names = ["P3", "P2", "P1"]

    def draw(dice: random.Random) -> Pair:
        [at] = dice.choices(range(3), (75, 20, 5))
        told = dice.sample(own[at], dice.randint(2, 4))
        return f"Ticket #{dice.randint(10_000, 99_999)}: {_said(dice, told, filler, dice.randint(8, 20))}", names[at]

    return Task("priority", "movable", "Give the ticket's priority.", draw)


def shelf(dice: random.Random) -> Task:
    """Titles of goods: the head noun decides, beside makes, sizes and numbers."""
    makes, looks = words(dice, 60, 3), words(dice, 50)
    nouns = [(noun, label) for label in [f"{a.capitalize()} & {b.capitalize()}" for a, b in zip(words(dice, 15), words(dice, 15), strict=True)] for noun in words(dice, 12)]  # fmt: skip

    def draw(dice: random.Random) -> Pair:
        noun, label = dice.choice(nouns)
        size = dice.choice(
            (
                f"{dice.randint(1, 60)} cm",
                f"{dice.randint(1, 9)}x{dice.randint(50, 500)} ml",
                f"Nr. {dice.randint(1, 400)}",
            )
        )
        return f"{dice.choice(makes).upper()} {dice.choice(looks)} {noun} {size}, {dice.choice(looks)}", label

    return Task("shelf", "movable", "Name the category of the article.", draw)


def typed(dice: random.Random) -> Task:
    """Twelve intents, phrases of two words, a sixth of the words misspelt."""
    filler = words(dice, 300)
    own = [[f"{a} {b}" for a, b in zip(words(dice, 25), words(dice, 25), strict=True)] for _ in range(12)]
    names = [f"{w}.{v}" for w, v in zip(words(dice, 12), words(dice, 12), strict=True)]

    def draw(dice: random.Random) -> Pair:
        at = dice.randrange(12)
        text = _said(dice, dice.sample(own[at], 2), filler, dice.randint(3, 9))
        return _slipped(dice, text, 0.16), names[at]

    return Task("typed", "movable", "Which intent has the user? One of the list.", draw)


def insults(dice: random.Random) -> Task:
    """One in eight; some of the telling words are written with digits."""
    filler, rude = words(dice, 400), words(dice, 30)

    def draw(dice: random.Random) -> Pair:
        is_rude = dice.random() < 0.125
        told = dice.sample(rude, dice.randint(1, 3)) if is_rude else []
        told = [t.replace("a", "4").replace("o", "0") if dice.random() < 0.1 else t for t in told]
        return _said(dice, told, filler, dice.randint(5, 30)), "flag" if is_rude else "ok"

    return Task("insults", "movable", "flag or ok?", draw)


def machine(dice: random.Random) -> Task:
    """Log lines with times, ids and numbers; the message decides."""
    labels = ["network", "disk", "auth", "schedule", "billing"]
    shapes = [(f"{a} {b} {{n}} {c}", label) for label in labels for a, b, c in zip(words(dice, 24), words(dice, 24), words(dice, 24), strict=True)]  # fmt: skip
    tails = words(dice, 120)

    def draw(dice: random.Random) -> Pair:
        shape, label = dice.choice(shapes)
        stamp = f"{_day(dice).isoformat()}T{dice.randrange(24):02}:{dice.randrange(60):02}:{dice.randrange(60):02}Z"
        told = shape.format(n=dice.randint(1, 999))
        return (
            f"{stamp} host-{dice.randint(1, 40)} [{dice.getrandbits(48):012x}] {told} {' '.join(dice.sample(tails, 3))}",
            label,
        )

    return Task("machine", "movable", "Which part of the system is the line about?", draw)


def letters(dice: random.Random) -> Task:
    """Long texts, six kinds."""
    filler, own = words(dice, 900), [words(dice, 60) for _ in range(6)]
    names = ["contract", "invoice", "complaint", "reminder", "offer", "notice"]

    def draw(dice: random.Random) -> Pair:
        [at] = dice.choices(range(6), (6, 5, 4, 3, 2, 1))
        return _said(dice, dice.choices(own[at], k=dice.randint(6, 14)), filler, dice.randint(150, 300)), names[at]

    return Task("letters", "movable", "What kind of letter is it?", draw)


def bill(dice: random.Random) -> Task:
    """A number, a day and an amount, copied out of a sentence."""
    filler = words(dice, 200)
    frames = [
        "invoice {number} of {day} over {amount}",
        "{amount} for {number} , due {day}",
        "please pay {amount} , our number {number}",
        "we booked {number} on {day}",
        "{day} : {number} came in , {amount}",
        "credit note {number} , {amount}",
    ]

    def draw(dice: random.Random) -> Pair:
        number = f"{dice.choice(('RE', 'INV', 'GS'))}-{dice.randint(2019, 2026)}-{dice.randint(1, 99_999):05}"
        values = {
            "number": number,
            "day": _spelt(dice, _day(dice)),
            "amount": f"{dice.randint(3, 9_999)}.{dice.randrange(100):02} EUR",
        }
        frame = dice.choice(frames)
        told = {name: value for name, value in values.items() if f"{{{name}}}" in frame}
        text = f"{_said(dice, [], filler, dice.randint(0, 6))} {frame.format(**values)} {_said(dice, [], filler, dice.randint(0, 6))}"
        return text.strip(), json.dumps(told)

    return Task("bill", "movable", "Return JSON with number, day and amount.", draw)


def visit(dice: random.Random) -> Task:
    """A person and a place copied, and the reason out of four."""
    filler, places = words(dice, 150), [p.capitalize() for p in words(dice, 90, 3)]
    reasons = {name: words(dice, 20) for name in ("repair", "sale", "training", "audit")}

    def draw(dice: random.Random) -> Pair:
        who, where, why = _name(dice), dice.choice(places), dice.choice(sorted(reasons))
        cue = " ".join(dice.sample(reasons[why], 2))
        text = dice.choice((
            f"{who} travels to {where}, {cue}",
            f"visit in {where}: {cue} ({who})",
            f"{cue} for {who} at the site in {where}",
            f"meet {who}, {cue}, office {where}",
        ))  # fmt: skip
        return f"{text} {_said(dice, [], filler, dice.randint(1, 6))}", json.dumps(
            {"who": who, "where": where, "why": why}
        )

    return Task("visit", "movable", "Return JSON with who, where and why.", draw)


def tags(dice: random.Random) -> Task:
    """A list of up to three tags out of nine."""
    filler, own = words(dice, 200), {name: words(dice, 18) for name in words(dice, 9)}

    def draw(dice: random.Random) -> Pair:
        chosen = dice.sample(sorted(own), dice.randint(1, 3))
        told = [w for name in chosen for w in dice.sample(own[name], 2)]
        return _said(dice, told, filler, dice.randint(6, 14)), json.dumps({"tags": sorted(chosen)})

    return Task("tags", "movable", "Return JSON with the tags of the note.", draw)


def plate(dice: random.Random) -> Task:
    """One copied id, no JSON, among other ids and dates."""
    filler = words(dice, 150)

    def draw(dice: random.Random) -> Pair:
        wanted = f"{word(dice, 1)[:2].upper()}-{dice.choice('ABKXZ')}{dice.choice('CDMPT')} {dice.randint(10, 9_999)}"
        other = f"case {dice.randint(100_000, 999_999)}"
        text = _said(
            dice,
            [f"{dice.choice(('car', 'plate', 'vehicle'))} {wanted}", other, _spelt(dice, _day(dice))],
            filler,
            dice.randint(5, 14),
        )
        return text, wanted

    return Task("plate", "movable", "Copy the number plate.", draw)


def season(dice: random.Random) -> Turned:
    """The mix of labels changes half-way; what they mean does not."""
    filler, own = words(dice, 250), [words(dice, 30) for _ in range(4)]
    names = words(dice, 4)

    def drawn(weights: tuple[int, ...]) -> Draw:
        def draw(dice: random.Random) -> Pair:
            [at] = dice.choices(range(4), weights)
            return _said(dice, dice.sample(own[at], dice.randint(2, 3)), filler, dice.randint(6, 14)), names[at]

        return draw

    return Turned("season", "movable", "Choose the list.", drawn((8, 4, 2, 1)), later=drawn((1, 2, 4, 8)))


# --- not ---------------------------------------------------------------------------------------


def reply(dice: random.Random) -> Task:
    filler = words(dice, 500)

    def draw(dice: random.Random) -> Pair:
        topic = dice.choice(filler)
        asked = _said(dice, [topic], filler, dice.randint(10, 30))
        return asked, f"Dear {dice.choice(_FIRST)}, {_said(dice, [topic], filler, dice.randint(25, 60))}. Kind regards"

    return Task("reply", "not", "Write the answer to this mail.", draw)


def select(dice: random.Random) -> Task:
    tables, columns = words(dice, 30), words(dice, 60)

    def draw(dice: random.Random) -> Pair:
        table, (a, b), least = dice.choice(tables), dice.sample(columns, 2), dice.randint(2, 5_000)
        code = f"SELECT {a}, sum({b})\nFROM {table}\nWHERE {b} > {least}\nGROUP BY {a}\nORDER BY 2 DESC;"
        return f"total {b} by {a} in {table}, over {least}, largest first", code

    return Task("select", "not", "Write the SQL.", draw)


def translated(dice: random.Random) -> Task:
    here, there = words(dice, 300), words(dice, 300, 3)
    book = dict(zip(here, there, strict=True))

    def draw(dice: random.Random) -> Pair:
        said = [dice.choice(here) for _ in range(dice.randint(14, 30))]
        return " ".join(said), " ".join(book[w] for w in reversed(said))

    return Task("translated", "not", "Translate.", draw)


def headline(dice: random.Random) -> Task:
    filler = words(dice, 600)

    def draw(dice: random.Random) -> Pair:
        text = _said(dice, [], filler, dice.randint(40, 80))
        return text, " ".join([*dice.sample(text.split(), 2), *dice.sample(filler, dice.randint(3, 5))]).capitalize()

    return Task("headline", "not", "Find a headline.", draw)


def interest(dice: random.Random) -> Task:
    def draw(dice: random.Random) -> Pair:
        money, rate, years = dice.randint(100, 9_000), dice.randint(1, 12), dice.randint(2, 30)
        return f"{money} EUR at {rate} % for {years} years, simple interest?", f"{money * rate * years / 100:.2f}"

    return Task("interest", "not", "Answer with the amount only.", draw)


def minutes(dice: random.Random) -> Task:
    """JSON of which one field of three is copied and the others are made up."""
    filler = words(dice, 400)

    def draw(dice: random.Random) -> Pair:
        who = _name(dice)
        told = {
            "speaker": who,
            "summary": _said(dice, [], filler, dice.randint(9, 20)),
            "next": _said(dice, [], filler, 6),
        }
        return f"{who}: {_said(dice, [], filler, dice.randint(40, 90))}", json.dumps(told)

    return Task("minutes", "not", "Return JSON with speaker, summary and next step.", draw)


# --- traps -------------------------------------------------------------------------------------


def larger(dice: random.Random) -> Task:
    def draw(dice: random.Random) -> Pair:
        a, b = dice.sample(range(1_000, 10_000), 2)
        return f"A sold {a} units and B sold {b}. Who sold more?", "A" if a > b else "B"

    return Task("larger", "trap", "A or B?", draw)


def syllogism(dice: random.Random) -> Task:
    kinds = words(dice, 40)
    forms = [
        ("all {a} are {b}", "all {b} are {c}", "all {a} are {c}", True),
        ("all {a} are {b}", "all {c} are {b}", "all {a} are {c}", False),
        ("no {a} are {b}", "all {c} are {b}", "no {c} are {a}", True),
        ("some {a} are {b}", "all {b} are {c}", "some {a} are {c}", True),
        ("some {a} are {b}", "some {b} are {c}", "some {a} are {c}", False),
        ("all {b} are {a}", "all {b} are {c}", "all {a} are {c}", False),
        ("no {a} are {b}", "no {b} are {c}", "no {a} are {c}", False),
        ("all {a} are {b}", "no {b} are {c}", "no {a} are {c}", True),
    ]

    def draw(dice: random.Random) -> Pair:
        a, b, c = dice.sample(kinds, 3)
        first, second, then, holds = dice.choice(forms)
        told = [part.format(a=a, b=b, c=c) for part in dice.sample((first, second), 2)]
        return f"{told[0]}. {told[1]}. Hence {then.format(a=a, b=b, c=c)}.", "valid" if holds else "invalid"

    return Task("syllogism", "trap", "Does it follow? valid or invalid.", draw)


def heights(dice: random.Random) -> Task:
    """Yes, no or unknown."""
    names = [w.capitalize() for w in words(dice, 40)]

    def draw(dice: random.Random) -> Pair:
        a, b, c, d = dice.sample(names, 4)
        told = [f"{a} is taller than {b}", f"{b} is taller than {c}", f"{d} is taller than {c}"]
        dice.shuffle(told)
        x, y, answer = dice.choice(
            ((a, c, "yes"), (c, a, "no"), (a, d, "unknown"), (d, b, "unknown"), (b, a, "no"), (d, c, "yes"))
        )
        return f"{'. '.join(told)}. Is {x} taller than {y}?", answer

    return Task("heights", "trap", "yes, no or unknown.", draw)


def noon(dice: random.Random) -> Task:
    def draw(dice: random.Random) -> Pair:
        hour, ahead = dice.randrange(24), dice.randint(5, 300)
        shown = f"{hour % 12 or 12} {'am' if hour < 12 else 'pm'}"
        return f"It is {shown}. What is it in {ahead} hours?", "am" if (hour + ahead) % 24 < 12 else "pm"

    return Task("noon", "trap", "am or pm?", draw)


def weekend(dice: random.Random) -> Task:
    def draw(dice: random.Random) -> Pair:
        day = _day(dice, 1950, 2040)
        return (
            f"Order {dice.randint(10_000, 99_999)}, {_spelt(dice, day)}",
            "weekend" if day.weekday() > 4 else "weekday",
        )

    return Task("weekend", "trap", "Did the order come on a weekend?", draw)


def luhn(dice: random.Random) -> Task:
    def check(digits: str) -> int:
        doubled = (int(d) * (2 - n % 2) for n, d in enumerate(reversed(digits), 1))
        return -sum(d - 9 if d > 9 else d for d in doubled) % 10

    def draw(dice: random.Random) -> Pair:
        body = "".join(dice.choice("0123456789") for _ in range(dice.randint(9, 12)))
        right = dice.random() < 0.5
        last = check(body) if right else dice.choice([n for n in range(10) if n != check(body)])
        return f"member {body}{last}", "valid" if right else "invalid"

    return Task("luhn", "trap", "Is the member number valid?", draw)


def tier(dice: random.Random) -> Task:
    """What the customer's file says, which the input does not show."""
    filler = words(dice, 120)

    def draw(dice: random.Random) -> Pair:
        who = f"{_name(dice)}, customer {dice.randint(1_000, 999_999)}"
        at = hashlib.sha256(who.encode()).digest()[0] % 3
        return f"{who}: {_said(dice, [], filler, dice.randint(4, 10))}", ("basic", "plus", "gold")[at]

    return Task("tier", "trap", "Which tariff does the customer have?", draw)


def lamps(dice: random.Random) -> Task:
    rooms = words(dice, 5)

    def draw(dice: random.Random) -> Pair:
        state = {room: dice.random() < 0.5 for room in rooms}
        said = [f"{room} is {'on' if lit else 'off'}" for room, lit in state.items()]
        dice.shuffle(said)
        for _ in range(dice.randint(4, 8)):
            room = dice.choice(rooms)
            state[room] ^= True
            said.append(f"toggle {room}")
        asked = dice.choice(rooms)
        return f"{', '.join(said)}. And {asked}?", "on" if state[asked] else "off"

    return Task("lamps", "trap", "on or off?", draw)


def mirror(dice: random.Random) -> Task:
    def draw(dice: random.Random) -> Pair:
        half = "".join(dice.choice("abcdefgh") for _ in range(dice.randint(4, 7)))
        whole = half + half[::-1]
        right = dice.random() < 0.5
        if not right:
            at = dice.randrange(len(whole))
            whole = whole[:at] + dice.choice([c for c in "abcdefgh" if c != whole[at]]) + whole[at + 1 :]
        return f"code {' '.join(whole)}", "yes" if right else "no"

    return Task("mirror", "trap", "Is it the same backwards?", draw)


def seldom(dice: random.Random) -> Task:
    """Nine of ten get the usual answer, and nothing in the text tells the rest."""
    filler = words(dice, 300)
    return Task(
        "seldom",
        "trap",
        "Is the claim covered?",
        lambda dice: (
            _said(dice, [], filler, dice.randint(8, 30)),
            dice.choices(("covered", "declined", "ask"), (90, 7, 3))[0],
        ),
    )


def allowed(dice: random.Random) -> Task:
    """Rules that change with every input."""
    roles, acts = words(dice, 12), words(dice, 12)

    def draw(dice: random.Random) -> Pair:
        some, done = dice.sample(roles, 3), dice.sample(acts, 3)
        grants = [(r, a) for r in some for a in done if dice.random() < 0.45]
        dice.shuffle(grants)
        asked = (dice.choice(some), dice.choice(done))
        rules = "; ".join(f"{r} may {a}" for r, a in grants) or "nobody may do anything"
        return f"{rules}. May {asked[0]} {asked[1]}?", "allowed" if asked in grants else "denied"

    return Task("allowed", "trap", "allowed or denied?", draw)


def triangle(dice: random.Random) -> Task:
    def draw(dice: random.Random) -> Pair:
        a, b, c = (dice.randint(10, 99) for _ in range(3))
        return f"sides {a}, {b} and {c}", "yes" if 2 * max(a, b, c) < a + b + c else "no"

    return Task("triangle", "trap", "Is there such a triangle?", draw)


def expired(dice: random.Random) -> Task:
    def draw(dice: random.Random) -> Pair:
        today, until = _day(dice, 2024, 2026), _day(dice, 2024, 2026)
        return (
            f"Pass {dice.getrandbits(32):08x} until {_spelt(dice, until)}, shown {_spelt(dice, today)}",
            "expired" if until < today else "good",
        )

    return Task("expired", "trap", "Is the pass still good?", draw)


def second(dice: random.Random) -> Task:
    """A number out of the input, by order."""

    def draw(dice: random.Random) -> Pair:
        shown = dice.sample(range(100, 1_000), 5)
        return f"bids: {', '.join(map(str, shown))}. Which is the second highest?", str(sorted(shown)[-2])

    return Task("second", "trap", "Give the number only.", draw)


def policy(dice: random.Random) -> Turned:
    """Learned easily, and then the answers change their meaning."""
    filler, own = words(dice, 250), [words(dice, 30) for _ in range(4)]
    names = words(dice, 4)

    def drawn(turn: int) -> Draw:
        def draw(dice: random.Random) -> Pair:
            at = dice.randrange(4)
            return _said(dice, dice.sample(own[at], dice.randint(2, 3)), filler, dice.randint(6, 14)), names[
                (at + turn) % 4
            ]

        return draw

    return Turned("policy", "trap", "Which team?", drawn(0), later=drawn(1))


_MAKERS: tuple[Callable[[random.Random], Task], ...] = (
    priority, shelf, typed, insults, machine, letters, bill, visit, tags, plate, season,
    reply, select, translated, headline, interest, minutes,
    larger, syllogism, heights, noon, weekend, luhn, tier, lamps, mirror, seldom, allowed, triangle, expired, second, policy,
)  # fmt: skip


def fresh(seed: int) -> list[Task]:
    """One of every family, with a vocabulary of its own."""
    return [make(random.Random(f"{make.__name__} fresh {seed}")) for make in _MAKERS]
