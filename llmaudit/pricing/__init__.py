"""What a call cost: a dated price book, joined to the calls. Nothing else knows a rate."""

from llmaudit.pricing.book import Book, UnknownModel, load, show
from llmaudit.pricing.exchange import Exchange, exchange, no_rates
from llmaudit.pricing.offers import put_offers
from llmaudit.pricing.usage import READS, price, price_usage

__all__ = [
    "READS",
    "Book",
    "Exchange",
    "UnknownModel",
    "exchange",
    "load",
    "no_rates",
    "price",
    "price_usage",
    "put_offers",
    "show",
]
