"""Topic patterns as AMQP has them: words with dots between them; `*` is one word, `#` any number of words."""

from functools import lru_cache


@lru_cache(maxsize=4096)
def matches(pattern: str, topic: str) -> bool:
    """Whether a topic is one of the pattern's."""
    words = topic.split(".")
    # Dynamic programming over the pattern: `#.#.#…` must not cost exponential time.
    reached = [True] + [False] * len(words)
    for part in pattern.split("."):
        if part == "#":
            for index in range(1, len(reached)):
                reached[index] = reached[index] or reached[index - 1]
        else:
            reached = [False] + [reached[index] and part in ("*", word) for index, word in enumerate(words)]
    return reached[-1]
