"""Submitted texts -> sentiment by sentence, key phrases, statistics and topics, each with its evidence."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from workers.textual.keyphrases import rank, without_parts
from workers.textual.split import ENGLISH_FUNCTION_WORDS, english_share, phrases, sentences, words
from workers.textual.topics import find_topics
from workers.workflow import FunctionWorkflow, RunContext, Template, WorkflowInputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_TEXTS = 500
# In any script: four bytes a character are less than the parameters of a run may take.
MAX_CHARACTERS = 240_000
# Below this many texts a "topic" would be one text's wording.
TEXTS_FOR_TOPICS = 8
# Sentences listed, for one text and for all texts; a text's score is always of all its sentences.
SHOWN_SENTENCES = 40
SHOWN_SENTENCES_IN_ALL = 2_000
# VADER's own thresholds (vaderSentiment README, "About the Scoring").
POSITIVE, NEGATIVE = 0.05, -0.05
# A text with a sentence this far on either side is of two minds rather than neutral.
STRONG = 0.3
# Under this share of English function words (prose has about 0.45) the English lexicon says little.
ENGLISH_ENOUGH = 0.12

SubmittedText = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
Label = Literal["positive", "negative", "neutral", "mixed"]


class TextInsightsInput(BaseModel):
    """A text, and how much of its insights to return."""

    model_config = ConfigDict(extra="forbid", title="Text insights")

    texts: list[SubmittedText] = Field(
        title="Texts",
        description="Reviews, messages, answers of a survey, articles: one entry a text; 240,000 characters in all.",
        min_length=1,
        max_length=MAX_TEXTS,
    )
    key_phrases: int = Field(
        default=12, title="Key phrases", description="How many key phrases to find in all texts.", ge=1, le=50
    )
    max_topics: int = Field(
        default=6,
        title="Most topics",
        description=f"Look for up to this many topics (from {TEXTS_FOR_TOPICS} texts on); 0 leaves them out.",
        ge=0,
        le=15,
    )
    ignore_words: list[Annotated[str, StringConstraints(min_length=1, max_length=60)]] = Field(
        default_factory=list,
        title="Words to ignore",
        description="Words that say nothing here, such as the product's own name.",
        max_length=200,
    )
    seed: int = Field(
        default=7,
        title="Seed",
        description="The same input with the same seed gives the same result.",
        ge=0,
        le=2**31 - 1,
    )

    @model_validator(mode="after")
    def _bounded(self) -> TextInsightsInput:
        total = sum(map(len, self.texts))
        if total > MAX_CHARACTERS:
            raise ValueError(f"The texts have {total} characters; {MAX_CHARACTERS:,} in all at most")
        return self


class WordEvidence(BaseModel):
    word: str
    valence: float = Field(description="The lexicon's mean rating of the word, -4 (worst) to 4 (best).")


class SentenceSentiment(BaseModel):
    text: str
    score: float = Field(description="-1 (most negative) to 1 (most positive).")
    label: Label
    evidence: list[WordEvidence]


class TextStatistics(BaseModel):
    characters: int
    words: int
    unique_words: int
    sentences: int
    words_per_sentence: float
    reading_minutes: float = Field(description="At 230 words a minute.")
    english_share: float = Field(description="Share of English function words; about 0.45 in English prose.")


class TextReport(BaseModel):
    index: int
    label: Label
    score: float
    reliable: bool = Field(
        description="False when the text doesn't look English: the lexicon is English. Such a text has its own report "
        "and is left out of all that is said of the texts together."
    )
    sentences: list[SentenceSentiment]
    sentences_left_out: int
    key_phrases: list[str]
    topic: int | None
    statistics: TextStatistics


class KeyPhrase(BaseModel):
    phrase: str
    score: float = Field(description="Weight relative to the strongest phrase (1).")
    occurrences: int
    texts: list[int] = Field(description="Indexes of texts that use it (20 at most).")
    sentiment: float | None = Field(description="Mean score of the sentences that use it.")
    example: str


class TopicTerm(BaseModel):
    term: str
    weight: float


class Topic(BaseModel):
    topic: int
    name: str
    terms: list[TopicTerm]
    share: float = Field(description="Share of the texts whose main topic this is.")
    texts: list[int]
    sentiment: float = Field(description="Mean sentiment of its texts.")
    example: str


class Overall(BaseModel):
    label: Label
    score: float
    texts: int = Field(description="The texts that count: those that are reliable.")
    positive_share: float
    negative_share: float
    neutral_share: float
    mixed_share: float
    most_positive: SentenceSentiment | None
    most_negative: SentenceSentiment | None


class TextInsightsOutput(BaseModel):
    """All but `texts` and `notes` is about the reliable texts alone."""

    summary: str
    overall: Overall | None = Field(description="Nothing when no text is reliable.")
    key_phrases: list[KeyPhrase]
    topics: list[Topic]
    topic_separation: float | None = Field(
        description="Silhouette of the texts by main topic, -1 to 1; near 0 the topics shade into each other."
    )
    statistics: TextStatistics
    texts: list[TextReport]
    notes: list[str]


@dataclass(frozen=True, slots=True)
class _Read:
    """One text, split once."""

    text: str
    sentences: list[str]
    tokens: list[str]
    candidates: list[str]

    @property
    def reliable(self) -> bool:
        """True if it looks English; a handful of words ("Great product!") has no function words in any language."""
        return len(self.tokens) < 8 or english_share(self.tokens) >= ENGLISH_ENOUGH


def run(inputs: TextInsightsInput, context: RunContext) -> TextInsightsOutput:
    stop_words = ENGLISH_FUNCTION_WORDS | {word.strip().lower() for word in inputs.ignore_words}
    context.progress(0.05, "Splitting texts into sentences")
    read = []
    for text in inputs.texts:
        context.check_cancelled()
        read.append(_Read(text, sentences(text), words(text), list(phrases(text, stop_words))))
    if not any(part.tokens for part in read):
        raise WorkflowInputError("NO_WORDS", "There is no word in the submitted texts.", path="texts")

    context.progress(0.15, "Rating the sentiment of each sentence")
    rated = _sentiments(read, context)
    # What is said of the texts together is about those that count; the others are empty there and keep their index.
    counted = [part if part.reliable else _Read("", [], [], []) for part in read]
    counted_rated = [sentences if part.reliable else [] for part, sentences in zip(read, rated, strict=True)]
    context.progress(0.55, "Finding key phrases")
    key_phrases = _key_phrases(counted, counted_rated, inputs.key_phrases)
    context.progress(0.7, "Looking for topics")
    topics, main_topic, separation = _topics(
        counted, counted_rated, stop_words, inputs.max_topics, inputs.seed, context
    )
    context.progress(0.95, "Writing the report")

    shown = max(3, min(SHOWN_SENTENCES, SHOWN_SENTENCES_IN_ALL // len(read)))
    reports = [
        _report(index, part, rated[index], key_phrases, main_topic[index], shown) for index, part in enumerate(read)
    ]
    overall = _overall([report for report in reports if report.reliable], counted_rated)
    notes = _notes(reports, topics, inputs)
    texts = [part.text for part in counted if part.text]
    return TextInsightsOutput(
        summary=_summary(overall, key_phrases, topics),
        overall=overall,
        key_phrases=key_phrases,
        topics=topics,
        topic_separation=separation,
        statistics=_statistics([token for part in counted for token in part.tokens], texts, counted),
        texts=reports,
        notes=notes,
    )


def _sentiments(read: list[_Read], context: RunContext) -> list[list[SentenceSentiment]]:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyzer = SentimentIntensityAnalyzer()
    lexicon: dict[str, float] = analyzer.lexicon
    rated: list[list[SentenceSentiment]] = []
    for index, part in enumerate(read):
        rated.append([_rate(sentence, analyzer, lexicon, context) for sentence in part.sentences])
        if index % 10 == 9:
            context.progress(0.15 + 0.4 * (index + 1) / len(read), f"Rated {index + 1} of {len(read)} texts")
    return rated


def _rate(sentence: str, analyzer: Any, lexicon: dict[str, float], context: RunContext) -> SentenceSentiment:
    context.check_cancelled()
    # VADER looks at each word's neighbours in a list copied per word: quadratic in the length of a "sentence".
    compounds = [
        float(analyzer.polarity_scores(sentence[start : start + 2_000])["compound"])
        for start in range(0, len(sentence), 2_000)
    ]
    score = sum(compounds) / len(compounds)
    known = {word: lexicon[word] for word in words(sentence) if word in lexicon}
    strongest = sorted(known.items(), key=lambda item: (-abs(item[1]), item[0]))[:5]
    return SentenceSentiment(
        text=sentence[:500],
        score=round(score, 4),
        label="positive" if score >= POSITIVE else "negative" if score <= NEGATIVE else "neutral",
        evidence=[WordEvidence(word=word, valence=round(valence, 2)) for word, valence in strongest],
    )


def _judge(rated: list[SentenceSentiment]) -> tuple[float, Label]:
    """A text's score is the mean over its sentences, as VADER's authors advise for longer texts."""
    if not rated:
        return 0.0, "neutral"
    scores = [sentence.score for sentence in rated]
    mean = sum(scores) / len(scores)
    if max(scores) >= STRONG and min(scores) <= -STRONG and abs(mean) < STRONG:
        return mean, "mixed"
    return mean, "positive" if mean >= POSITIVE else "negative" if mean <= NEGATIVE else "neutral"


def _key_phrases(read: list[_Read], rated: list[list[SentenceSentiment]], count: int) -> list[KeyPhrase]:
    ranked = rank([part.candidates for part in read])
    chosen = without_parts([phrase.text for phrase in ranked], count)
    by_text = {phrase.text: phrase for phrase in ranked}
    return [
        _evidence(phrase, by_text[phrase].strength / by_text[chosen[0]].strength, by_text[phrase].count, read, rated)
        for phrase in chosen
    ]


def _evidence(
    phrase: str, score: float, count: int, read: list[_Read], rated: list[list[SentenceSentiment]]
) -> KeyPhrase:
    texts = [index for index, part in enumerate(read) if phrase in part.candidates]
    using = [
        sentence
        for index in texts
        for sentence in rated[index]
        if f" {phrase} " in f" {' '.join(words(sentence.text))} "
    ]
    return KeyPhrase(
        phrase=phrase,
        score=round(score, 4),
        occurrences=count,
        texts=texts[:20],
        sentiment=round(sum(sentence.score for sentence in using) / len(using), 4) if using else None,
        example=max(using, key=lambda sentence: abs(sentence.score)).text if using else read[texts[0]].text[:300],
    )


def _topics(
    read: list[_Read],
    rated: list[list[SentenceSentiment]],
    stop_words: frozenset[str],
    max_topics: int,
    seed: int,
    context: RunContext,
) -> tuple[list[Topic], list[int | None], float | None]:
    nothing: list[int | None] = [None] * len(read)
    places = [index for index, part in enumerate(read) if part.text]
    if max_topics < 1 or len(places) < TEXTS_FOR_TOPICS:
        return [], nothing, None
    documents = [
        [token for token in read[place].tokens if token not in stop_words and len(token) > 2 and not token[0].isdigit()]
        for place in places
    ]

    def tell(done: float, count: int) -> None:
        context.progress(0.7 + 0.2 * done, f"Trying {count} topics")

    model = find_topics(documents, max_topics=max_topics, seed=seed, tell=tell)
    if model is None:
        return [], nothing, None
    topics = _describe_topics(
        [read[place] for place in places],
        [rated[place] for place in places],
        places,
        model.terms,
        model.loads,
        model.components,
        model.mains,
    )
    mains = nothing.copy()
    for place, main in zip(places, model.mains, strict=True):
        mains[place] = main
    return topics, mains, round(model.separation, 4)


def _describe_topics(
    read: list[_Read],
    rated: list[list[SentenceSentiment]],
    places: list[int],
    terms: Any,
    loads: NDArray[np.float64],
    components: NDArray[np.float64],
    mains: list[int | None],
) -> list[Topic]:
    import numpy as np

    members: defaultdict[int, list[int]] = defaultdict(list)
    for index, main in enumerate(mains):
        if main is not None:
            members[main].append(index)
    topics = []
    for number, component in enumerate(components):
        texts = sorted(members[number], key=lambda index: -loads[index, number])
        if not texts:
            continue
        order = [place for place in np.argsort(-component, kind="stable")[:8] if component[place] > 0]
        listed = [TopicTerm(term=str(terms[place]), weight=round(float(component[place]), 4)) for place in order]
        topics.append(
            Topic(
                topic=number,
                name=", ".join(term.term for term in listed[:3]),
                terms=listed,
                share=round(len(texts) / len(read), 4),
                texts=[places[index] for index in texts[:100]],
                sentiment=round(sum(_judge(rated[index])[0] for index in texts) / len(texts), 4),
                example=read[texts[0]].text[:300],
            )
        )
    return sorted(topics, key=lambda topic: (-topic.share, topic.topic))


def _report(
    index: int,
    part: _Read,
    rated: list[SentenceSentiment],
    key_phrases: list[KeyPhrase],
    topic: int | None,
    shown: int,
) -> TextReport:
    score, label = _judge(rated)
    own = Counter(part.candidates)
    shared = [phrase.phrase for phrase in key_phrases if phrase.phrase in own]
    rest = sorted(own, key=lambda phrase: (-own[phrase] * math.log2(1 + len(phrase.split())), phrase))
    return TextReport(
        index=index,
        label=label,
        score=round(score, 4),
        reliable=part.reliable,
        sentences=rated[:shown],
        sentences_left_out=max(0, len(rated) - shown),
        key_phrases=without_parts([*shared, *rest], 5),
        topic=topic,
        statistics=_statistics(part.tokens, [part.text], [part]),
    )


def _statistics(tokens: list[str], texts: list[str], read: list[_Read]) -> TextStatistics:
    count = sum(len(part.sentences) for part in read)
    return TextStatistics(
        characters=sum(map(len, texts)),
        words=len(tokens),
        unique_words=len(set(tokens)),
        sentences=count,
        words_per_sentence=round(len(tokens) / count, 2) if count else 0.0,
        reading_minutes=round(len(tokens) / 230, 2),
        english_share=round(english_share(tokens), 4),
    )


def _overall(reports: list[TextReport], rated: list[list[SentenceSentiment]]) -> Overall | None:
    if not reports:
        return None
    labels = Counter(report.label for report in reports)
    score = sum(report.score for report in reports) / len(reports)
    everything = [sentence for listed in rated for sentence in listed]
    best = max(everything, key=lambda sentence: sentence.score, default=None)
    worst = min(everything, key=lambda sentence: sentence.score, default=None)
    label: Label = "positive" if score >= POSITIVE else "negative" if score <= NEGATIVE else "neutral"
    divided = min(labels["positive"], labels["negative"]) >= 0.3 * len(reports)
    if len(reports) == 1:
        label = reports[0].label
    elif divided and abs(score) < STRONG:
        label = "mixed"
    return Overall(
        label=label,
        score=round(score, 4),
        texts=len(reports),
        positive_share=round(labels["positive"] / len(reports), 4),
        negative_share=round(labels["negative"] / len(reports), 4),
        neutral_share=round(labels["neutral"] / len(reports), 4),
        mixed_share=round(labels["mixed"] / len(reports), 4),
        most_positive=best if best is not None and best.score > 0 else None,
        most_negative=worst if worst is not None and worst.score < 0 else None,
    )


def _notes(reports: list[TextReport], topics: list[Topic], inputs: TextInsightsInput) -> list[str]:
    notes = []
    foreign = [report.index for report in reports if not report.reliable]
    if foreign:
        listed = ", ".join(map(str, foreign[:10])) + (", …" if len(foreign) > 10 else "")
        notes.append(
            f"Texts {listed} don't look English; the sentiment lexicon is English, so their scores say little and they "
            "are left out of everything but their own reports."
        )
    if inputs.max_topics and not topics:
        notes.append(
            f"No topics: they need {TEXTS_FOR_TOPICS} texts or more that look English and share words."
            if len(reports) - len(foreign) < TEXTS_FOR_TOPICS
            else "No topics: the texts share too few words."
        )
    if any(report.sentences_left_out for report in reports):
        notes.append("Of long texts only the first sentences are listed; all of them were rated.")
    return notes


def _summary(overall: Overall | None, key_phrases: list[KeyPhrase], topics: list[Topic]) -> str:
    if overall is None:
        return "None of the texts looks English, so nothing is said of them together."
    about = ", ".join(phrase.phrase for phrase in key_phrases[:3])
    text = (
        f"{overall.texts} text{'s' if overall.texts != 1 else ''}, {overall.label} on the whole ({overall.score:+.2f})"
    )
    text += f"; mostly about {about}." if about else "."
    if topics:
        worst = min(topics, key=lambda topic: topic.sentiment)
        text += f" {len(topics)} topics; least liked: {worst.name} ({worst.sentiment:+.2f})."
    return text


WORKFLOW = FunctionWorkflow(
    slug="text-insights",
    name="Text insights",
    summary="Sentiment by sentence, key phrases and topics of your texts, each with its evidence.",
    description=(
        "Give it reviews, support messages or survey answers. Every sentence is rated with the VADER lexicon and "
        "shows the words that decided; key phrases are found by C-value and IDF; from eight texts "
        "on, topics are found by non-negative matrix factorisation, and their number by how well they part the texts. "
        "The sentiment lexicon is English: texts that don't look English get a report of their own each and are left "
        "out of what is said of all."
    ),
    version="2.0.0",
    input_model=TextInsightsInput,
    output_model=TextInsightsOutput,
    function=run,
    tags=("text", "sentiment", "topics", "nlp"),
    libraries=(
        "sklearn.decomposition",
        "sklearn.feature_extraction.text",
        "sklearn.metrics",
        "vaderSentiment.vaderSentiment",
    ),
)

TEMPLATES = (
    Template(
        slug="product-reviews",
        name="What reviews say",
        description="A dozen reviews of a coffee machine: what people like, what they don't, and what it is about.",
        tags=("reviews", "sentiment"),
        parameters={
            "texts": [
                "The espresso is wonderful, rich crema every morning. I love this machine.",
                "Delivery took three weeks and the parcel arrived damaged. Terrible delivery service.",
                "Great espresso, but the milk frother broke after a month. Very disappointing.",
                "Customer service answered within an hour and sent a new milk frother for free. Excellent!",
                "Delivery was late again. The tracking page showed nothing, which is really annoying.",
                "Easy to clean, looks beautiful in the kitchen, and the espresso is delicious.",
                "The milk frother is loud and leaks. I regret the purchase.",
                "Best espresso I have had at home. The crema is perfect.",
                "The parcel never arrived and the delivery company was rude. Awful.",
                "Friendly customer service, they explained how to descale the machine. Very helpful.",
                "The water tank is small, so I refill it daily.",
                "Customer service was kind and solved my problem with the water tank quickly.",
            ],
            "key_phrases": 10,
            "max_topics": 4,
        },
    ),
    Template(
        slug="single-text-sentiment",
        name="The tone of one text",
        description="One message, sentence by sentence: which words carry its tone.",
        tags=("sentiment",),
        parameters={
            "texts": [
                "Thank you for the quick answer, your team was friendly and helpful. Sadly the update broke my "
                "calendar and I lost a whole day of work. Please fix this soon! Otherwise I'm happy with the product."
            ],
            "key_phrases": 5,
            "max_topics": 0,
        },
    ),
)
