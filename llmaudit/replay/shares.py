"""Who gets what of a joint saving: Shapley's shares of a game whose coalitions are states of the log.

A group of calls is played as a tree: `saving[path]` is what the levers in `path` (bits, in the order of replay) have
saved where each of them found something. Any other coalition ends in the path that it walks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import cache
from math import factorial

Paths = frozenset[int]
Weights = Mapping[int, Mapping[int, Fraction]]
"""Player -> path -> how much of that path's saving is theirs."""


def walked(paths: Paths, coalition: int) -> int:
    """The path on which a coalition ends."""
    path = 0
    for bit in _bits(coalition):
        if path | bit in paths:
            path |= bit
    return path


@cache
def shapley(paths: Paths, fixed: int = 0) -> Weights:
    """Each lever's average contribution over all coalitions, pulled in the order of replay.

    Levers in `fixed` are pulled in every coalition; each of them gets what it adds to those before it in a coalition of
    their own.
    """
    everyone = _union(paths)
    weights: dict[int, dict[int, Fraction]] = {player: {} for player in _bits(everyone)}
    before = 0
    for player in _bits(everyone & fixed):
        _add(weights[player], walked(paths, before | player), Fraction(1))
        _add(weights[player], walked(paths, before), Fraction(-1))
        before |= player
    players = list(_bits(everyone & ~fixed))
    for coalition in _subsets(players):
        size = coalition.bit_count()
        path = walked(paths, coalition | fixed)
        for player in players:
            rest = size - bool(coalition & player)
            share = Fraction(factorial(rest) * factorial(len(players) - rest - 1), factorial(len(players)))
            _add(weights[player], path, share if coalition & player else -share)
    return {player: {path: share for path, share in own.items() if share} for player, own in weights.items()}


@cache
def in_order(paths: Paths) -> Weights:
    """What each lever adds to those before it, everyone being pulled."""
    everyone, before = _union(paths), 0
    weights: dict[int, dict[int, Fraction]] = {}
    for player in _bits(everyone):
        weights[player] = {}
        _add(weights[player], walked(paths, before | player), Fraction(1))
        _add(weights[player], walked(paths, before), Fraction(-1))
        before |= player
    return weights


@cache
def alone(paths: Paths, fixed: int = 0) -> Weights:
    """What each lever saves beside nothing but `fixed`."""
    weights: dict[int, dict[int, Fraction]] = {}
    for player in _bits(_union(paths)):
        weights[player] = {}
        _add(weights[player], walked(paths, fixed | player), Fraction(1))
        _add(weights[player], walked(paths, fixed & ~player), Fraction(-1))
    return weights


def shared(weights: Weights, saving: Mapping[int, int]) -> dict[int, Fraction]:
    """The shares of one group of calls, in the units of `saving`."""
    return {
        player: sum((share * saving[path] for path, share in own.items()), Fraction(0))
        for player, own in weights.items()
    }


def _add(own: dict[int, Fraction], path: int, share: Fraction) -> None:
    own[path] = own.get(path, Fraction(0)) + share


def _bits(mask: int) -> Iterable[int]:
    while mask:
        bit = mask & -mask
        yield bit
        mask ^= bit


def _subsets(players: list[int]) -> Iterable[int]:
    for chosen in range(1 << len(players)):
        yield sum(player for place, player in enumerate(players) if chosen >> place & 1)


def _union(paths: Paths) -> int:
    everyone = 0
    for path in paths:
        everyone |= path
    return everyone
