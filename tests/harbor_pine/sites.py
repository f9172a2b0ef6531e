"""The shop's call sites: each yields its calls of the month and writes down what it plants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from harbor_pine import words
from harbor_pine.base import (
    CUSTOMERS,
    DAYS,
    FIRST,
    OFFICE,
    SNAPSHOT,
    Call,
    Dice,
    Truth,
    Usage,
    compact,
    digest,
    later,
    prompt_tokens,
    tokens,
    zulu,
)
from harbor_pine.bodies import (
    chat_body,
    chat_chunks,
    chat_sse,
    messages_body,
    messages_sse,
    output_text,
    responses_body,
    system_user,
)

RATE_LIMIT = {
    "message": "Rate limit reached for requests",
    "type": "requests",
    "param": None,
    "code": "rate_limit_exceeded",
}
SERVER_ERROR = {
    "message": "The server had an error while processing your request",
    "type": "server_error",
    "param": None,
    "code": None,
}
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


def failing(call: Call, truth: Truth, status: int, error: Any, response: Any = None) -> Call:
    """The same request shortly before, refused; the given call is the retry that went well."""
    failed = replace(
        call,
        request_id=f"{call.request_id}-try1",
        at=later(call.at, -(900 if status == 429 else 4_000)),
        response=response,
        usage=None,
        latency_ms=140 if status == 429 else 2_600,
        ttft_ms=None,
        status=status,
        error=error,
    )
    truth.failed[failed.request_id] = call.request_id
    return failed


def route(truth: Truth) -> Iterator[Call]:
    """Ticket routing: a closed label, learnable from the words; one answer in forty is the neighbouring label."""
    dice, labels = Dice("route"), sorted(words.TICKETS)
    seen: set[str] = set()
    for n, at in enumerate(dice.times(410, CUSTOMERS)):
        label = labels[dice.weighted([5, 8, 9, 14, 10, 9, 7])]
        text = ticket(dice, label)
        while text in seen:
            text = ticket(dice, label)
        seen.add(text)
        if n == 77:
            text += " I also pasted my API key by mistake: sk-test-0000FAKE0000FAKE0000FAKE0000FAKE, please remove it."
        answer = words.CONFUSED.get(label, label) if dice.chance(0.025) else label
        call = chat_call(
            dice, "/support/route", n, at, "gpt-4o", system=words.ROUTE_SYSTEM, user=text, answer=answer, max_tokens=5
        )
        if n == 77:
            truth.secret.append(call.request_id)
        if n % 53 == 20:
            yield failing(call, truth, 429, RATE_LIMIT)
        if n in (101, 333):
            body = {
                "error": RATE_LIMIT
                | {
                    "message": "Invalid 'max_tokens': integer below minimum value.",
                    "type": "invalid_request_error",
                    "code": "integer_below_min_value",
                }
            }
            bad = replace(
                call,
                request_id=f"{call.request_id}-bad",
                at=later(call.at, -60_000),
                request=call.request | {"max_tokens": 0},
                response=body,
                usage=None,
                latency_ms=45,
                status=400,
                error=body["error"]["message"],
            )
            truth.failed[bad.request_id] = None
            yield bad
        yield call
        if n % 61 == 30:
            yield again(call, f"{call.request_id}-again", later(call.at, dice.between(9_000, 48_000)), truth)


def ticket(dice: Dice, label: str) -> str:
    problems, details = words.TICKETS[label]
    body = [dice.pick(problems), dice.pick(details)]
    if dice.chance(0.3):
        body.append(dice.pick(details))
    for _ in range(dice.upto(3)):
        body.insert(dice.upto(len(body) + 1), dice.pick(words.FILLERS))
    return " ".join(dice.fill(part) for part in [dice.pick(words.GREETINGS), *dict.fromkeys(body)] if part)


def chat_call(
    dice: Dice, site: str, n: int, at: datetime, model: str, *, system: str, user: Any, answer: str, **params: Any
) -> Call:
    """One OpenAI chat call at temperature 0, unless `params` say otherwise."""
    request_id = f"{site.strip('/').replace('/', '-')}-{n:04d}"
    billed = SNAPSHOT.get(model, model)
    said = user if isinstance(user, str) else "".join(part["text"] for part in user)
    finish = params.pop("finish", "stop")
    team, user_id = params.pop("team", "support"), params.pop("who", f"cust-{dice.between(1, 400):03d}")
    usage = Usage(prompt_tokens(system, said), tokens(answer) + 1)
    return Call(
        site=site,
        request_id=request_id,
        at=at,
        provider="openai",
        model=billed,
        request={"model": model, "messages": system_user(system, user), "temperature": 0, **params},
        response=chat_body(request_id, at, billed, answer, usage, finish=finish),
        usage=usage,
        latency_ms=dice.skewed(260, 2_900) + 11 * usage.output,
        team=team,
        user=user_id,
    )


def gave_up(call: Call, truth: Truth, seconds: int) -> Call:
    """The same request before, which the caller dropped after `seconds`; the answer came all the same, and was billed."""
    slow_id, at = f"{call.request_id}-slow", later(call.at, -1_000 * (seconds + 2))
    truth.failed[slow_id] = call.request_id
    truth.failed_but_billed.append(slow_id)
    prefix, made = ("resp_", "created_at") if call.response["object"] == "response" else ("chatcmpl-", "created")
    body = call.response | {"id": prefix + digest(slow_id), made: int(at.timestamp())}
    error = {"type": "timeout", "message": f"caller gave up after {seconds} s"}
    return replace(call, request_id=slow_id, at=at, response=body, latency_ms=1_000 * seconds, status=504, error=error)


def again(call: Call, request_id: str, at: datetime, truth: Truth) -> Call:
    """The same request and the same answer once more: what a response cache would have saved."""
    truth.cacheable[request_id] = call.request_id
    body = call.response | {"id": f"chatcmpl-{digest(request_id)}", "created": int(at.timestamp())}
    return replace(call, request_id=request_id, at=at, response=body, latency_ms=call.latency_ms + 37)


def faq(truth: Truth) -> Iterator[Call]:
    """Frequent questions at temperature 0, with two busy hours; a few answers differ; a tone test samples on purpose."""
    dice = Dice("faq")
    busy = [
        FIRST + timedelta(days=d, hours=h, seconds=dice.upto(3_300)) for d, h in ((5, 9), (20, 17)) for _ in range(26)
    ]
    plain = [(at, dice.weighted([1 / (k + 1) for k in range(len(words.FAQ))])) for at in dice.times(128, CUSTOMERS)]
    asked = sorted(plain + [(at, dice.upto(3)) for at in busy])
    first: dict[int, str] = {}
    variants = iter(words.FAQ_VARIANTS)
    for n, (at, which) in enumerate(asked):
        question, answer = words.FAQ[which]
        differs = which in first and n % 29 == 17
        if differs:
            answer = next(variants) + answer
        call = chat_call(
            dice,
            "/support/faq",
            n,
            at,
            "gpt-4o",
            system=words.FAQ_SYSTEM,
            user=question,
            answer=answer,
            max_tokens=160,
        )
        if differs:
            truth.nondeterministic.append(call.request_id)
        elif which in first:
            truth.cacheable[call.request_id] = first[which]
        first.setdefault(which, call.request_id)
        yield call
    yield from tone_test(truth, dice)


def tone_test(truth: Truth, dice: Dice) -> Iterator[Call]:
    question, answer = words.FAQ[1]
    start = FIRST + timedelta(days=12, hours=14)
    for n in range(10):
        text = answer if n in (0, 6) else f"Option {n}: {answer.lower()}"
        at = later(start, 61_000 * n)
        call = chat_call(
            dice,
            "/support/faq",
            900 + n,
            at,
            "gpt-4o-mini",
            system=words.FAQ_SYSTEM,
            user=question,
            answer=text,
            max_tokens=160,
            temperature=0.8,
            who="u-ines",
        )
        if n == 6:
            truth.identical_sampled[call.request_id] = "support-faq-0900"
        elif n:
            truth.resampled.append(call.request_id)
        yield call


def widget(truth: Truth) -> Iterator[Call]:
    """The chat widget's bug: an empty message is sent when a visitor only opens it."""
    dice = Dice("widget")
    for n, at in enumerate(dice.times(13, CUSTOMERS)):
        request_id = f"support-widget-{n:04d}"
        usage = Usage(7, 9)
        truth.empty.append(request_id)
        yield Call(
            "/support/widget",
            request_id,
            at,
            "openai",
            "gpt-4o-mini-2024-07-18",
            {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": ""}], "temperature": 0},
            chat_body(request_id, at, "gpt-4o-mini-2024-07-18", words.WIDGET_ANSWER, usage),
            usage,
            dice.skewed(250, 900),
            "support",
            f"visitor-{n:02d}",
        )


ORDER_TOOL = {
    "type": "function",
    "name": "lookup_order",
    "description": "Status of an order by its number",
    "parameters": {
        "type": "object",
        "properties": {"order": {"type": "string"}},
        "required": ["order"],
        "additionalProperties": False,
    },
}
PREFIX = prompt_tokens(words.HANDBOOK, compact(ORDER_TOOL))


def assist(truth: Truth) -> Iterator[Call]:
    """Questions of agents over the handbook: OpenAI Responses, a long steady prefix, prompt caching, tool calls.

    gpt-5.6-terra until the 15th, gpt-5.6-luna from the 16th.
    """
    dice = Dice("assist")
    last: datetime | None = None
    for n, start in enumerate(dice.times(27, OFFICE)):
        model = "gpt-5.6-terra" if start < FIRST + timedelta(days=15) else "gpt-5.6-luna"
        session = f"desk-{n:03d}"
        warm = last is not None and start - last < timedelta(minutes=30)
        for call in conversation(dice, session, start, model, warm=warm, tool=n % 5 == 2):
            yield call
            last = call.at


def conversation(dice: Dice, session: str, at: datetime, model: str, *, warm: bool, tool: bool) -> Iterator[Call]:
    topic, agent = dice.pick(sorted(words.ASSIST_TURNS)), f"u-{dice.pick(words.NAMES).lower()}"
    turns, history = words.ASSIST_TURNS[topic], []
    passages = "\n".join(f"- {dice.fill(p)}" for p in words.PASSAGES[topic])
    known = PREFIX if warm else 0
    for n, (ask, reply) in enumerate(turns[: dice.between(2, len(turns))]):
        question = dice.fill(ask) if n else f"Passages:\n{passages}\n\nQuestion: {dice.fill(ask)}"
        history.append({"role": "user", "content": [{"type": "input_text", "text": question}]})
        steps: list[dict[str, Any]] = []
        if tool and n == 0:
            call_id = f"call_{digest(session, 16)}"
            steps = [
                {
                    "type": "function_call",
                    "call_id": call_id,
                    "name": "lookup_order",
                    "arguments": compact({"order": dice.fill("{order}")}),
                }
            ]
            yield response_call(
                dice,
                f"{session}-{n}t",
                at,
                model,
                session=session,
                agent=agent,
                history=history,
                output=steps,
                known=known,
            )
            known, at = PREFIX + prompt_tokens(*map(compact, history)), later(at, 3_400)
            history += [
                *steps,
                {
                    "type": "function_call_output",
                    "call_id": call_id,
                    "output": compact({"status": "in transit", "last_scan": dice.pick(words.CITIES)}),
                },
            ]
        answer = dice.fill(reply)
        yield response_call(
            dice,
            f"{session}-{n}",
            at,
            model,
            session=session,
            agent=agent,
            history=history,
            output=[output_text(f"{session}-{n}", answer)],
            known=known,
        )
        known = PREFIX + prompt_tokens(*map(compact, history))
        history.append({"role": "assistant", "content": [{"type": "output_text", "text": answer}]})
        at = later(at, dice.between(35_000, 260_000))


def response_call(dice: Dice, name: str, at: datetime, model: str, *, session: str, agent: str, history: list[Any], output: list[dict[str, Any]], known: int) -> Call:  # fmt: skip
    asked = PREFIX + prompt_tokens(*map(compact, history))
    reasoning = dice.skewed(40, 420)
    usage = Usage(
        asked, reasoning + tokens(compact(output)) // 2 + 4, read=known, write=asked - known, reasoning=reasoning
    )
    request = {
        "model": model,
        "instructions": words.HANDBOOK,
        "input": list(history),
        "tools": [ORDER_TOOL],
        "max_output_tokens": 800,
        "reasoning": {"effort": "low"},
    }
    body = responses_body(name, at, model, output, usage)
    return Call(
        "/support/assist",
        f"support-assist-{name}",
        at,
        "openai",
        model,
        request,
        body,
        usage,
        dice.skewed(900, 7_000),
        "support",
        agent,
        session,
    )


SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "product",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "material": {"type": "string"},
                "colour": {"type": "string"},
                **{key: {"type": ["number", "null"]} for key in ("width_cm", "depth_cm", "height_cm", "weight_kg")},
            },
            "required": ["name", "material", "colour", "width_cm", "depth_cm", "height_cm", "weight_kg"],
            "additionalProperties": False,
        },
    },
}


def extract(truth: Truth) -> Iterator[Call]:
    """Supplier texts to JSON. Six times the caller gave up too early."""
    dice = Dice("extract")
    for n, at in enumerate(dice.times(120, OFFICE)):
        text, answer = supplier_text(dice)
        call = chat_call(
            dice,
            "/catalog/extract",
            n,
            at,
            "gpt-4.1-mini",
            system=words.EXTRACT_SYSTEM,
            user=text,
            answer=answer,
            response_format=SCHEMA,
            team="catalog",
            who="svc-importer",
        )
        if n % 20 == 9:
            yield gave_up(call, truth, 30)
        if n == 64:
            yield failing(call, truth, 500, SERVER_ERROR)
        if n in (30, 75):
            form = chat_sse if n == 30 else chat_chunks
            truth.streamed.append(call.request_id)
            call = replace(
                call,
                request=call.request | {"stream": True, "stream_options": {"include_usage": True}},
                response=form(call.response),
                ttft_ms=310,
            )
        if n == 88:
            refusal = "I cannot help with that."
            usage = Usage(call.usage.input, 9) if call.usage else None
            truth.refused.append(call.request_id)
            call = replace(
                call,
                usage=usage,
                response=chat_body(call.request_id, at, call.model, None, usage or Usage(0), refusal=refusal),
            )
        yield call


def supplier_text(dice: Dice) -> tuple[str, str]:
    size = {
        "w": dice.between(30, 220),
        "d": dice.between(25, 120),
        "h": dice.between(18, 240),
        "kg": dice.between(2, 64),
    }
    found = {
        "product": dice.pick(words.PRODUCTS),
        "material": dice.pick(words.MATERIALS),
        "colour": dice.pick(words.COLOURS),
    }
    opening, extras = dice.pick(words.EXTRACT_OPENINGS), dice.fill(dice.pick(words.EXTRACT_EXTRAS))
    sized = dice.chance(0.85)
    text = (
        opening.format(**found) + (" " + dice.pick(words.EXTRACT_SIZES).format(**size) if sized else "") + " " + extras
    )
    numbers = dict(zip(("width_cm", "depth_cm", "height_cm", "weight_kg"), size.values(), strict=True))
    answer = {"name": found["product"], "material": found["material"], "colour": found["colour"]}
    return text, compact(answer | (numbers if sized else dict.fromkeys(numbers)))


def nightly_tags(truth: Truth) -> Iterator[Call]:
    """A job that asks for the same tags every night, changed or not, and was scheduled twice: at 02:10 and at 02:40."""
    dice = Dice("nightly tags")
    first: dict[str, str] = {}
    for n in range(DAYS * 2 * 4):
        night, run, k = n // 8, n // 4 % 2, n % 4
        at = FIRST + timedelta(days=night, hours=2, minutes=10 + 30 * run, seconds=5 * k, milliseconds=dice.upto(900))
        text = f"{words.PRODUCTS[k]}. {words.MATERIALS[k]}, {words.COLOURS[k]}."
        if k == 2 and night >= 11:
            text += " Now with cushion."
        tags = [words.PRODUCTS[k].split()[-1].lower(), words.MATERIALS[k], words.COLOURS[k], "garden", "outdoor"]
        differs = k == 3 and run == 1 and night in (6, 13, 22)
        answer = compact([*tags[: 2 + (night % 3)], "summer", f"set {night}"]) if differs else compact(tags)
        call = chat_call(
            dice,
            "/catalog/nightly-tags",
            n,
            at,
            "gpt-4o",
            system=words.TAGS_SYSTEM,
            user=text,
            answer=answer,
            max_tokens=60,
            team="catalog",
            who="svc-nightly",
        )
        if differs:
            truth.nondeterministic.append(call.request_id)
        elif text in first:
            truth.cacheable[call.request_id] = first[text]
        first.setdefault(text, call.request_id)
        if night == 16 and run == 0 and k < 3:
            yield failing(call, truth, 503, SERVER_ERROR)
        yield call


RECORD_TOOL = {
    "name": "record_notice",
    "description": "Store what a supplier announces",
    "input_schema": {
        "type": "object",
        "properties": {
            "kind": {"type": "string", "enum": sorted(kind for kind, _ in words.MAILS)},
            "product": {"type": "string"},
        },
        "required": ["kind", "product"],
    },
}


def supplier_mail(truth: Truth) -> Iterator[Call]:
    """Mails of suppliers through Anthropic's tools: the answer is a tool call."""
    dice = Dice("supplier mail")
    for n, at in enumerate(dice.times(44, OFFICE)):
        kind, mail = dice.pick(words.MAILS)
        product = dice.pick(words.PRODUCTS)
        text = dice.fill(f"{dice.pick(words.GREETINGS)} {mail.replace('{product}', product)} Regards, {{name}}".strip())
        request_id = f"catalog-supplier-mail-{n:04d}"
        content = [
            {
                "type": "tool_use",
                "id": f"toolu_{digest(request_id, 16)}",
                "name": "record_notice",
                "input": {"kind": kind, "product": product},
            }
        ]
        usage = Usage(
            prompt_tokens(words.MAIL_SYSTEM, text, compact(RECORD_TOOL)) + 310, tokens(compact(content)) // 2 + 12
        )
        request = {
            "model": "claude-haiku-5-5",
            "max_tokens": 300,
            "temperature": 0,
            "system": words.MAIL_SYSTEM,
            "tools": [RECORD_TOOL],
            "tool_choice": {"type": "tool", "name": "record_notice"},
            "messages": [{"role": "user", "content": text}],
        }
        call = Call(
            "/catalog/supplier-mail",
            request_id,
            at,
            "anthropic",
            "claude-haiku-5-5",
            request,
            messages_body(request_id, "claude-haiku-5-5", content, usage, "tool_use"),
            usage,
            dice.skewed(500, 2_400),
            "catalog",
            "svc-mailbox",
        )
        if n == 31:
            yield failing(call, truth, 529, OVERLOADED["error"], OVERLOADED)
        yield call


def summarise(truth: Truth) -> Iterator[Call]:
    """Journal articles to a few free sentences: system as a string first, as blocks from the 16th; text as string or parts."""
    dice = Dice("summarise")
    for n, at in enumerate(dice.times(84, OFFICE)):
        order = sorted(range(len(words.ARTICLE_SENTENCES)), key=lambda _: dice.upto(10**6))[: dice.between(5, 9)]
        article = [dice.fill(words.ARTICLE_SENTENCES[k]) for k in order]
        answer = " ".join(article[:2]).replace(" is ", " remains ").replace("The garden of", "The yard of")
        cut = n % 12 == 5
        if cut:
            answer = answer[: len(answer) * 2 // 3]
        yield summary_call(dice, n, at, " ".join(article), answer, truth=truth, cut=cut)


def summary_call(dice: Dice, n: int, at: datetime, article: str, answer: str, *, truth: Truth, cut: bool) -> Call:
    request_id, model = f"content-summarise-{n:04d}", "claude-sonnet-5-5"
    blocks = at >= FIRST + timedelta(days=15)
    system: Any = (
        [{"type": "text", "text": words.SUMMARY_SYSTEM, "cache_control": {"type": "ephemeral"}}]
        if blocks
        else words.SUMMARY_SYSTEM
    )
    content: Any = [{"type": "text", "text": "Article:"}, {"type": "text", "text": article}] if n % 3 == 1 else article
    request: dict[str, Any] = {
        "model": model,
        "max_tokens": 60 if cut else 400,
        "system": system,
        "messages": [{"role": "user", "content": content}],
    }
    usage = Usage(prompt_tokens(words.SUMMARY_SYSTEM, article), 60 if cut else tokens(answer) + 3)
    body: Any = messages_body(
        request_id, model, [{"type": "text", "text": answer}], usage, "max_tokens" if cut else "end_turn"
    )
    call = Call(
        "/content/summarise",
        request_id,
        at,
        "anthropic",
        model,
        request,
        body,
        usage,
        dice.skewed(1_200, 6_500),
        "content",
        f"u-{dice.pick(words.NAMES[:5]).lower()}",
    )
    if cut:
        truth.truncated.append(request_id)
    if n == 40:
        truth.streamed.append(request_id)
        return replace(call, request=request | {"stream": True}, response=messages_sse(body), ttft_ms=640)
    if n in (50, 51, 52):
        truth.without_usage.append(request_id)
        return replace(call, usage=None, response={key: body[key] for key in body if key != "usage"})
    if n == 60:
        truth.refused.append(request_id)
        refused = Usage(usage.input, 4)
        return replace(call, usage=refused, response=messages_body(request_id, model, [], refused, "refusal"))
    return call


def embed(truth: Truth) -> Iterator[Call]:
    """Search index: every changed product text is embedded. The vectors are not logged."""
    dice = Dice("embed")
    for n, at in enumerate(dice.times(96, OFFICE)):
        texts = [supplier_text(dice)[0] for _ in range(dice.between(1, 3))]
        request_id, model = f"catalog-embed-{n:04d}", "text-embedding-3-small"
        usage = Usage(sum(map(tokens, texts)))
        body = {
            "object": "list",
            "data": [],
            "model": model,
            "usage": {"prompt_tokens": usage.input, "total_tokens": usage.input},
        }
        yield Call(
            "/catalog/embed",
            request_id,
            at,
            "openai",
            model,
            {"model": model, "input": texts if len(texts) > 1 else texts[0], "encoding_format": "float"},
            body,
            usage,
            dice.skewed(60, 380),
            "catalog",
            "svc-indexer",
        )


def notes_app(truth: Truth) -> Iterator[Call]:
    """An app that logs neither endpoint nor team: two call sites, one with a date and a run number in its system prompt."""
    dice = Dice("notes app")
    for n, at in enumerate(dice.times(75, OFFICE)):
        note, sentence = dice.pick(words.NOTES)
        city, day, product, name = (
            dice.pick(words.CITIES),
            str(dice.between(2, 28)),
            dice.pick(words.PRODUCTS),
            dice.pick(words.NAMES),
        )
        blanks = {"city": city, "day": day, "product": product, "name": name}
        system = words.NOTE_SYSTEM.format(city=city, date=at.date().isoformat(), run=1_000 + n)
        call = chat_call(
            dice,
            "notes/delivery",
            n,
            at,
            "gpt-6-luna",
            system=system,
            user=note.format(**blanks) + dice.pick(["", " !!", " pls tell cust", f" ref {dice.between(100, 999)}"]),
            answer=sentence.format(**blanks),
            temperature=0.3,
            team=None,
            who=None,
        )
        yield replace(call, labelled=False)
    reviews: dict[str, str] = {}
    while len(reviews) < 65:
        stars = dice.pick(sorted(words.REVIEWS))
        reviews[dice.fill(f"{dice.pick(words.REVIEWS[stars])} {dice.pick(words.FILLERS)}")] = stars
    for n, (at, (review, stars)) in enumerate(zip(dice.times(65, CUSTOMERS), reviews.items(), strict=True)):
        call = chat_call(
            dice,
            "notes/reviews",
            n,
            at,
            "gpt-6-luna",
            system=words.REVIEW_SYSTEM,
            user=[{"type": "text", "text": review}],
            answer=stars,
            max_completion_tokens=2,
            team=None,
            who=None,
        )
        yield replace(call, labelled=False)


def stock_report(truth: Truth) -> Iterator[Call]:
    """A stock sheet every weekday, thought through at length: few calls, little text, most of OpenAI's bill.

    The caller waits 60 seconds; the longest thoughts take more, are paid for, and are asked for again.
    """
    dice, model = Dice("stock report"), "gpt-6.1-sol"
    for day in range(DAYS):
        start = FIRST + timedelta(days=day, hours=5, minutes=30)
        if start.weekday() < 5:
            at, name = later(start, dice.upto(50_000)), f"data-stock-report-{day:02d}"
            asked = dice.fill(
                words.STOCK_ASK.replace("{week}", str(start.isocalendar().week)).replace(
                    "{sheet}", str(start.isoweekday())
                )
            )
            answer, thought = dice.fill(words.STOCK_ANSWER), dice.between(5_000, 16_000)
            usage = Usage(prompt_tokens(words.STOCK_SYSTEM, asked), thought + tokens(answer), reasoning=thought)
            request = {
                "model": model,
                "instructions": words.STOCK_SYSTEM,
                "input": asked,
                "reasoning": {"effort": "high"},
            }
            body = responses_body(
                name,
                at,
                model,
                [{"type": "reasoning", "id": f"rs_{digest(name, 12)}", "summary": []}, output_text(name, answer)],
                usage,
            )
            call = Call(
                "/data/stock-report",
                name,
                at,
                "openai",
                model,
                request,
                body,
                usage,
                4 * usage.output,
                "data",
                "svc-planner",
            )
            if thought > 14_000:
                yield gave_up(call, truth, 60)
            yield call


def plain_line(call: Call) -> dict[str, Any]:
    line: dict[str, Any] = {"timestamp": zulu(call.at), "request_id": call.request_id}
    if call.labelled:
        line |= {"endpoint": call.site, "team": call.team, "user": call.user, "tags": {"environment": "production"}}
    if call.session:
        line["session_id"] = call.session
    line |= {
        "provider": call.provider,
        "request": call.request,
        "response": call.response,
        "latency_ms": call.latency_ms,
    }
    if call.ttft_ms:
        line["ttft_ms"] = call.ttft_ms
    return line | {"status": call.status, "error": call.error}
