"""A text -> its sentences, its words, and the phrases that may matter in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set

# A full stop after one of these ends no sentence.
ABBREVIATIONS = frozenset(
    ["mr", "mrs", "ms", "dr", "prof", "st", "sr", "jr", "vs", "etc", "approx", "no", "fig", "inc", "ltd", "co",
     "dept", "e.g", "i.e", "a.m", "p.m", "u.s", "u.k", "z.b", "ca", "bzw"]
)  # fmt: skip
_BOUNDARY = re.compile(r"(?<=[.!?…。！？])[\"'”’)\]]*\s+|\n{2,}|\n(?=\s*[-*•\d])|(?<=[。！？])")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|\d+(?:[.,:]\d+)*", re.UNICODE)
_LAST_WORD = re.compile(r"([\w.]+)\.[\"'”’)\]]*$")
# What breaks a phrase besides a stop word: punctuation between two words.
_CLAUSE = re.compile(r"[.,;:!?()\[\]{}\"“”„«»…\n\t/|<>=+*#@&]+|\s[-–—]+\s")

# Function words of English; their share in a text also tells whether the English lexicon of sentiments applies.
_FUNCTION_WORDS = """
a about above across after again against all almost alone along already also although always am among an and
another any anybody anyone anything anywhere are aren't around as at away back be became because become
becomes been before behind being below between both but by came can can't cannot come could couldn't did
didn't do does doesn't doing don't done down during each either else enough even ever every everybody
everyone everything everywhere few find first for from further gave get gets getting give given go goes
going gone got had hadn't has hasn't have haven't having he he'd he'll he's her here here's hers herself him
himself his how how's however i i'd i'll i'm i've if in instead into is isn't it it'd it'll it's its itself
just keep kept last least less let let's like likely made make makes many may maybe me might mine more most
mostly much must mustn't my myself near need never next no nobody none nor not nothing now nowhere of off
often on once one only onto or other others our ours ourselves out over own per perhaps please put quite
rather really said same saw say says see seem seemed seems several shall shan't she she'd she'll she's
should shouldn't since so some somebody someone something sometimes somewhere still such take taken than
that that's the their theirs them themselves then there there's therefore these they they'd they'll they're
they've thing things this those though through thus to together too took toward two under until up upon us
use used uses using very via was wasn't way we we'd we'll we're we've well went were weren't what what's
whatever when when's where where's whether which while who who's whole whom whose why why's will with within
without won't would wouldn't yes yet you you'd you'll you're you've your yours yourself yourselves
"""
ENGLISH_FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())


def sentences(text: str) -> list[str]:
    """The sentences of a text, whitespace within each made plain."""
    result: list[str] = []
    pending = ""
    for piece in _BOUNDARY.split(text):
        piece = " ".join(piece.split())
        if not piece:
            continue
        pending = f"{pending} {piece}" if pending else piece
        last = _LAST_WORD.search(pending)
        if last and (last[1].lower() in ABBREVIATIONS or re.fullmatch(r"[A-Z]", last[1])):
            continue
        result.append(pending)
        pending = ""
    if pending:
        result.append(pending)
    return result


def words(text: str) -> list[str]:
    """The words and numbers of a text in lower case, any script with spaces between its words."""
    return [match.replace("’", "'") for match in _WORD.findall(text.lower())]


def english_share(tokens: list[str]) -> float:
    """How many of the words are English function words: about 0.45 in English prose, under 0.1 elsewhere."""
    return sum(token in ENGLISH_FUNCTION_WORDS for token in tokens) / len(tokens) if tokens else 0.0


def phrases(text: str, stop_words: Set[str], *, max_words: int = 3) -> Iterator[str]:
    """Every phrase of up to `longest` words, as often as it occurs.

    Phrases are taken out of the runs of words between stop words and punctuation (RAKE's candidates with their parts).
    """
    for clause in _CLAUSE.split(text.lower()):
        run: list[str] = []
        for token in [*words(clause), ""]:
            if token and token not in stop_words and not token[0].isdigit() and len(token) > 2:
                run.append(token)
                continue
            for start in range(len(run)):
                for end in range(start + 1, min(start + max_words, len(run)) + 1):
                    yield " ".join(run[start:end])
            run = []
