"""The profile of an endpoint's task, on made-up calls of which the truth is known."""

import json
import random
from datetime import date, timedelta

import pytest
from test_detectors import MIDNIGHT, WORDS, chatter, log, verdict

from llmaudit.detectors.answers import profile
from llmaudit.detectors.drift import drift
from llmaudit.detectors.languages import language, shares
from llmaudit.report.shared import shareable


def told(calls):
    return verdict(calls).profile


SAID = {
    "en": "my card was declined at the store and I do not know why",
    "de": "meine Karte wurde im Laden abgelehnt, was kann ich tun",
    "fr": "ma carte a été refusée au magasin, je ne sais pas pourquoi",
    "es": "mi tarjeta fue rechazada en la tienda, ¿qué puedo hacer?",
    "it": "la mia carta è stata rifiutata in negozio, cosa posso fare",
    "pt": "o meu cartão foi recusado na loja, não sei porquê",
    "nl": "mijn kaart is geweigerd in de winkel, wat kan ik doen",
    "sv": "mitt kort nekades i butiken och jag vet inte varför",
    "pl": "moja karta została odrzucona w sklepie, co mam zrobić",
    "tr": "kartım mağazada reddedildi, nasıl çözebilirim, lütfen",  # noqa: RUF001
    "vi": "thẻ của tôi bị từ chối tại cửa hàng, tôi phải làm gì",
    "ru": "моя карта была отклонена в магазине",
    "uk": "мою картку відхилили, і я не знаю чому",  # noqa: RUF001
    "ar": "تم رفض بطاقتي في المتجر",
    "he": "הכרטיס שלי נדחה בחנות",
    "el": "η κάρτα μου απορρίφθηκε στο κατάστημα",
    "hi": "मेरा कार्ड अस्वीकार कर दिया गया",
    "zh": "我的卡在商店被拒绝了",
    "ja": "カードがお店で拒否されました",
    "ko": "내 카드가 상점에서 거절되었습니다",
}


@pytest.mark.parametrize("name", SAID)
def test_a_sentence_is_known_by_its_language(name):
    assert language(SAID[name]) == name


@pytest.mark.parametrize("text", ["4512 / AB-17", "", "{}", "xkqz vrrt", "def f(x): return x + 1"])
def test_what_is_no_language_is_not_given_one(text):
    assert language(text) is None


def test_languages_are_shares_of_the_inputs():
    texts = [SAID["de"]] * 5 + [SAID["ja"]] * 3 + [SAID["en"]] + ["#4512"]
    assert shares(texts) == {"de": 0.5, "ja": 0.3, "en": 0.1, "unknown": 0.1}


ANSWERS = {
    "closed_label": lambda rng: rng.choice(["refund", "login", "other"]),
    "number": lambda rng: rng.choice(["1.{:03},50 €", "$ {}.20", "\u2212{} %", "USD {}"]).format(
        rng.randrange(100, 999)
    ),
    "json": lambda rng: json.dumps({"team": rng.choice(["a", "b"]), "score": rng.randrange(9), "ok": True}),
    "short_text": lambda rng: " ".join(rng.choices(WORDS, k=3)),
    "long_text": lambda rng: chatter(rng, 40),
    "code": lambda rng: f"def {rng.choice(WORDS)}(x):\n    return x + {rng.randrange(999)}",
}


@pytest.mark.parametrize("form", ANSWERS)
def test_the_form_of_the_answers(form):
    rng = random.Random(1)
    assert told({"prompt": chatter(rng), "output": ANSWERS[form](rng)} for _ in range(120))["form"] == form


def test_words_copied_out_of_the_input_are_extraction():
    rng = random.Random(2)
    inputs = [chatter(rng) for _ in range(120)]
    assert profile(inputs, [" ".join(text.split()[2:4]) for text in inputs]).form == "extraction"


def test_a_long_answer_in_a_script_without_blanks_is_long():
    rng = random.Random(3)
    answers = ["".join(rng.choices("我的卡在商店被拒绝了请帮助退款订单", k=60)) for _ in range(50)]
    assert profile(["注文"] * 50, answers).form == "long_text"
    assert profile(["注文"] * 50, ["返品", "配送"] * 25).form == "closed_label"


def test_what_is_said_beside_a_tool_call_is_no_answer():
    rng = random.Random(4)
    calls = [{"prompt": chatter(rng), "output": "Let me look that up.", "tools_offered": 2, "tools_called": 1}] * 150
    found = told([*calls, *({"prompt": chatter(rng), "output": "Done."} for _ in range(20))])
    assert (found["form"], found["tool_calls"], found["answers"]) == ("tool_call", 150, 20)


def test_label_set_entropy_and_repeats_are_counted():
    calls = [
        {"prompt": f"text {n // 2} {WORDS[n // 2 % 40]}", "output": "Refund." if n < 90 else "login"}
        for n in range(120)
    ]
    calls[1]["output"] = "login"  # the same input as call 0
    found = told(calls)
    assert found["label_set"] == [{"label": "refund", "share": 89 / 120}, {"label": "login", "share": 31 / 120}]
    assert (found["labels"], found["repeats"], found["self_agreement"]) == (2, 60, 59 / 60)
    assert found["entropy"] == pytest.approx(0.824, abs=1e-3)  # -(.7417 log2 .7417 + .2583 log2 .2583)


def test_the_schema_of_json_answers_has_every_path():
    outputs = [json.dumps({"who": {"name": f"n{n % 7}"}, "tags": ["x"], "ok": n % 2 == 0}) for n in range(120)]
    rows = told({"prompt": chatter(random.Random(n)), "output": text} for n, text in enumerate(outputs))["schema"]
    assert rows == [
        {"path": "ok", "share": 1.0, "kinds": ["boolean"], "values": 2},
        {"path": "tags[]", "share": 1.0, "kinds": ["string"], "values": 1},
        {"path": "who.name", "share": 1.0, "kinds": ["string"], "values": 7},
    ]


def test_reasoning_is_a_share_of_the_output_of_calls_that_tell():
    rng = random.Random(5)
    sizes = [
        {"output_tokens": 100, "reasoning_tokens": 80},
        {"output_tokens": 300, "reasoning_tokens": 220},
        {"output_tokens": 50},
    ]
    calls = [
        {"prompt": chatter(rng), "output": chatter(rng, 30), "input_tokens": 400 + n} | sizes[n % 3] for n in range(120)
    ]
    found = told(calls)
    assert found["reasoning_share"] == pytest.approx(300 / 400)
    assert found["output_tokens"] == {"p50": 100, "p95": 300}
    assert found["input_tokens"] == {"p50": 460, "p95": 513}
    assert told({"prompt": chatter(rng), "output": "x"} for _ in range(9))["reasoning_share"] is None


LEAKS = {
    "email": "write to ann.lee+x@example.org",
    "phone": "call +49 151 2345 6789",
    "card_number": "card 4111 1111 1111 1111",
    "iban": "to DE89 3704 0044 0532 0130 00",
    "ip_address": "from 203.0.113.9",
    "us_social_security_number": "ssn 219-09-9999",
}


def test_every_kind_of_personal_data_is_counted_and_secrets_too():
    rng = random.Random(6)
    calls = [{"prompt": chatter(rng), "output": "ok"} for _ in range(100)]
    for n, (_, text) in enumerate(LEAKS.items()):
        calls[n]["prompt"] += f" {text}"
    calls[50]["output"] = "ask ann@example.org"
    calls[60]["prompt"] += " key [secret]"  # as a lake keeps it
    calls[70]["prompt"] += " order 4111 1111 1111 1112 of 2026-10-01, version 1.2.3"
    found = told(calls)
    assert found["personal"] == {"share": 7 / 100, "calls": dict.fromkeys(LEAKS, 1) | {"email": 2}}
    assert found["secrets"] == 1


def month(change, calls=600):
    """A month of calls whose second half is changed."""
    rng = random.Random(7)
    times = [MIDNIGHT + timedelta(hours=n * 720 / calls) for n in range(calls)]
    made = [change(rng, n >= calls / 2) for n in range(calls)]
    return times, [text for text, _ in made], [answer for _, answer in made]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda rng, late: (chatter(rng), rng.choice("abcd" if late else "abc")), "d"),
        (lambda rng, late: (chatter(rng) + " rückgabe" * (late and rng.random() < 0.4), rng.choice("abc")), "rückgabe"),
        (lambda rng, late: ("退款" * (late or rng.random() < 0.05) + rng.choice("甲乙丙丁"), "x"), "退款"),
    ],
)
def test_a_task_that_changes_in_the_middle_of_a_month_is_seen_on_its_day(change, what):
    found = drift(*month(change))
    assert abs(found.day - date(2026, 1, 16)) <= timedelta(days=1)
    assert what in {shift.what for shift in found.shifts}


def test_a_task_that_stays_has_no_drift():
    found = drift(*month(lambda rng, _: (chatter(rng), rng.choice("abc"))))
    assert (found.day, found.shifts) == (None, ())
    assert found.chance > 0.01


def test_few_calls_or_no_times_say_nothing_about_drift():
    times, texts, answers = month(lambda rng, late: (chatter(rng), str(late)))
    assert drift([None] * 600, texts, answers) is None
    assert drift(times[:99], texts[:99], answers[:99]) is None
    assert drift([times[0]] * 600, texts, answers) is None


def test_no_word_of_a_profile_is_given_away():
    rng = random.Random(8)
    calls = [{"prompt": chatter(rng), "output": "zebra" if n > 100 else "quagga"} for n in range(200)]
    found = told(calls)
    assert found["drift"]["day"]
    given = shareable({"fine_tune": [{"profile": found}], "warnings": []}, ())["fine_tune"][0]["profile"]
    assert "zebra" not in json.dumps(given)
    assert "quagga" not in json.dumps(given)
    assert given["form"] == "closed_label"


def test_the_sample_has_what_a_profile_reads():
    assert {"input_tokens", "output_tokens", "reasoning_tokens", "tools_called"} <= set(log([{"prompt": "x"}]).columns)
