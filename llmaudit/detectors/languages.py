"""Which language a text is in: by its script, else by its commonest small words. No guess where too little speaks for one."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from llmaudit.detectors.words import ends

_SMALL_WORDS = {
    "cs": "a se v na je že o s z do i to jsem byl jako ale pro jsou když také nebo která který prosím můj moje dobrý den není",
    "da": "og i det at en den til er som på de med han af for ikke der var mig jeg et har om vi min havde ham hun nu over kan hvordan tak venligst blev være mit hvad",
    "de": "der die das und ich ist nicht sie es ein eine zu mit den von für auf im dem wir bitte mein meine wie war aber auch habe kann wird bei",
    "en": "the of and to in a is that for it was on you with as are be this i at by my have not from your please what how can but do we",
    "es": "de la que el en y los se del las por un para con una su al lo es mi me como pero no está qué cómo quiero gracias puede hola fue dónde son más este esta",
    "fi": "ja on ei se että en hän oli minä mutta kun niin mitä myös jos voi ole tämä sen ovat olen miten kiitos minun",
    "fr": "de la le et les des en un une du est que pour dans qui pas sur je il au ce mon ma vous nous ne avec plus mais bonjour merci comment suis",
    "hu": "a az és hogy nem is egy ez van de meg csak már mint volt még ha vagy kell én kérem hogyan köszönöm lehet",
    "id": "yang dan di itu dengan untuk tidak ini dari dalam akan pada juga saya ke bisa ada apa kami anda mohon bagaimana",
    "it": "di che e la il un a per è in una sono mi ho lo ma le si non con come del della questo grazie buongiorno vorrei posso mio mia",
    "nl": "de het een en van ik is dat niet je in te zijn op met voor maar er aan wat die mijn heb kan hoe graag naar deze bedankt",
    "no": "og i det er på en til som å jeg ikke har med for at av den de vi et var om meg min kan hvordan takk vennligst hva",
    "pl": "w i na z się nie do to że jest jak o ale co po mi tak za od jestem mam czy proszę dzień dobry dla moje mój dziękuję",
    "pt": "de que o a e do da em um para é com não uma os no se na por mais as dos como mas eu meu minha você obrigado quero está olá",
    "ro": "și de la în a nu cu pe un o este că mai am pentru din sunt ce se care dar vă mulțumesc bună meu mea cum",
    "sv": "och i att det som en på är av för med till den har jag inte om ett men var så de kan min mitt hur vill tack vänligen",
    "tr": "bir ve bu için de da ne ile çok ben mi değil var daha gibi ama kadar lütfen nasıl benim teşekkürler olarak istiyorum",  # noqa: RUF001
    "vi": "và của là không có tôi được cho một các trong này với để người những khi đã làm như xin vui lòng cảm ơn",
}
_MARKS = {
    "de": "ß",
    "es": "ñ¿¡",
    "pt": "ãõ",
    "pl": "łąęśźż",
    "cs": "ěřů",
    "hu": "őű",
    "tr": "ğış",
    "ro": "ăț",
    "vi": "ạảấầẩậắằặẻẽếềểệịọốồổộớờợụủứừựỳ",
}
_SCRIPTS = (
    ("ja", r"[\u3040-\u30ff]"),
    ("ko", r"[\uac00-\ud7af\u1100-\u11ff]"),
    ("zh", r"[\u4e00-\u9fff]"),
    ("uk", r"[іїєґІЇЄҐ]"),
    ("ru", r"[\u0400-\u04ff]"),
    ("fa", r"[پچژگ]"),
    ("ar", r"[\u0600-\u06ff]"),
    ("he", r"[\u0590-\u05ff]"),
    ("el", r"[\u0370-\u03ff]"),
    ("hi", r"[\u0900-\u097f]"),
    ("th", r"[\u0e00-\u0e7f]"),
)
_FOREIGN = re.compile(r"[\u0370-\u1fff\u3040-\ud7af]")
_LETTERS = re.compile(r"[^\W\d_]+")
_READ, _FOREIGN_SHARE, _CLEAR = 400, 0.3, 1.25
UNKNOWN = "unknown"

_LANGUAGES_OF: defaultdict[str, list[str]] = defaultdict(list)
for _language, _words in _SMALL_WORDS.items():
    for _word in _words.split():
        _LANGUAGES_OF[_word].append(_language)


def language(text: str) -> str | None:
    """The ISO 639-1 code; None where the text is too short, or no language.

    >>> language("Wo ist meine Bestellung? Ich warte seit zwei Wochen."), language("où est ma commande, je ne la trouve pas")
    ('de', 'fr')
    >>> language("注文はどこですか"), language("4512 / AB-17"), language("Где мой заказ?")
    ('ja', None, 'ru')
    """
    text = ends(text, _READ)
    letters = "".join(words := _LETTERS.findall(text.lower()))
    if len(_FOREIGN.findall(letters)) > _FOREIGN_SHARE * max(len(letters), 1):
        return next((name for name, script in _SCRIPTS if re.search(script, letters)), None)
    points: Counter[str] = Counter()
    for word in words:
        for name in (known := _LANGUAGES_OF.get(word, ())):
            points[name] += 1 / len(known)  # type: ignore[assignment]  # a word of two languages speaks half for each
    for name, marks in _MARKS.items():
        points[name] += 0.5 * sum(letters.count(mark) for mark in marks)  # type: ignore[assignment]
    (first, most), (_, next_most) = (*points.most_common(2), ("", 0), ("", 0))[:2]
    return first if most >= 1 and most >= _CLEAR * next_most else None


def shares(texts: Sequence[str]) -> dict[str, float]:
    """The share of texts in each language, the commonest first; what nobody can tell is `unknown`."""
    return _shares(language(text) or UNKNOWN for text in texts)


def _shares(names: Iterable[str]) -> dict[str, float]:
    counts = Counter(names)
    ordered = sorted(counts, key=lambda name: (-counts[name], name))
    return {name: counts[name] / counts.total() for name in ordered}
