"""What one operation may ask for, and what it may use while it runs."""

from dataclasses import dataclass

from botberi_gateway.config.setting import BYTES, setting


@dataclass(frozen=True, slots=True)
class OperationLimits:
    """Bounds of one document, checked before anything runs. Counts are of the operation with its fragments expanded.

    The defaults admit what people write by hand and tools generate; checking them takes well under 0.1 s.
    """

    max_characters: int = setting(100_000, "Length of the document.", unit="characters")
    max_tokens: int = setting(
        4_000, "Tokens of the document. graphql-core takes about 20 µs to parse each.", unit="tokens"
    )
    max_depth: int = setting(25, "Fields within fields. The usual introspection query has 13 levels.", unit="levels")
    max_aliases: int = setting(200, "Fields that have an alias.", unit="fields", minimum=0)
    max_directives: int = setting(200, "Uses of directives.", unit="directives", minimum=0)
    max_fields: int = setting(10_000, "Fields of the operation.", unit="fields")
    max_root_fields: int = setting(100, "Fields at the root of the operation.", unit="fields")
    max_root_mutations: int = setting(
        10,
        "Mutations in one document (different response keys at the root); a subgraph runs each of them by itself.",
        unit="fields",
        minimum=0,
        option="--max-mutations",
    )
    max_repeats: int = setting(
        20,
        "How often one selection set may have the same response key for one object. Comparing repeated fields is what "
        "makes validation slow.",
        unit="fields",
    )
    max_errors: int = setting(20, "Validation errors that are reported.", unit="errors")
    allow_introspection: bool = setting(
        True,
        "Whether `__schema` and `__type` may be asked for. `__typename` always may.",
        option="--introspection/--no-introspection",
    )
    max_introspection_lists: int = setting(
        2,
        "`fields`, `inputFields`, `interfaces` and `possibleTypes` within one another below `__schema` and `__type`, "
        "as graphql-js counts them. The usual introspection queries have 1.",
        unit="levels",
        minimum=0,
    )
    max_introspection_fields: int = setting(
        100_000,
        "Fields in the answers to `__schema` and `__type` together, counted while they are computed. Twice what the "
        "usual introspection query asks of the graph is always admitted: 334,000 fields in a graph of 100 subgraphs "
        "and 2,500 types.",
        unit="fields",
    )
    max_cost: int = setting(
        100_000,
        "Objects in the answer, as estimated before anything is fetched. Two pages of 100 within one another are "
        "10,000 objects, which an answer may well have; three are a million, which is megabytes a request.",
        unit="objects",
        option="--max-cost",
    )
    max_answer_fields: int = setting(
        1_000_000, "Fields in the answer, as estimated before anything is fetched.", unit="fields"
    )
    assumed_list_size: int = setting(
        10, "Items that the estimate assumes of a list whose length nothing says beforehand.", unit="items"
    )


@dataclass(frozen=True, slots=True)
class ExecutionBudget:
    """What one operation, or one event of a subscription, may use while it runs; beyond it, it ends with an error."""

    max_answer_bytes: int = setting(
        32 * 1024 * 1024,
        "Answers of subgraphs together, counted as they arrive. Answers below 16 KiB don't count.",
        unit=BYTES,
        option="--max-answer-bytes",
    )
    max_entities: int = setting(
        50_000, "Representations in all requests together.", unit="entities", option="--max-entities"
    )
    max_fields: int = setting(
        1_000_000,
        "Fields that lists multiply: for each list its length times the fields selected of an item, counted before the "
        "items of the response are built.",
        unit="fields",
        option="--max-fields",
    )
    max_response_bytes: int = setting(
        16 * 1024 * 1024,
        "The response's JSON. An entity that is shown in many places is written in each of them. Introspection has a "
        "limit of its own (`max_introspection_fields`).",
        unit=BYTES,
        option="--max-response-bytes",
    )
