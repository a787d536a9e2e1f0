"""The dialect's words become fewer in every room until none is left."""

from pathlib import PurePosixPath

from lab.words import above, ceilings, counts, former_ceilings, places, room, words


def test_no_room_has_more_of_the_dialect_than_it_may() -> None:
    allowed, found = ceilings(), list(places())
    too_many = above(counts(iter(found)), allowed)
    where = [f"{place.path}:{place.line}: {place.word}" for place in found if room(place.path) in too_many]
    assert too_many == {}, "write it in the words of docs/glossary.md; these rooms have:\n" + "\n".join(where)


def test_ceilings_only_fall() -> None:
    allowed = ceilings()
    for former in former_ceilings():
        for name, ceiling in former.items():
            assert allowed.get(name, 0) <= ceiling, f"{name} may not have more again: {ceiling} was reached before"


def test_docs_and_front_pages_have_none() -> None:
    allowed = ceilings()
    assert {name for name in allowed if name == "." or name.startswith("docs")} == set()


def test_words_are_found_in_names_too() -> None:
    text = "def told_of(Strangers, MAX_PATIENCE):\n    # Nobody recommends amended, toldness or climbing.\n"
    assert list(words(text)) == [(1, "told"), (1, "strange"), (1, "patience"), (2, "nobody"), (2, "climb")]


def test_of_a_page_prose_alone_counts() -> None:
    old = "<!-- names of before -->\nclimb\n<!-- end of names of before -->\n"
    text = f"{old}climb `told` [told](told.md)\n```\nanew\n```\n"
    assert list(words(text, page=True)) == [(4, "climb"), (4, "told")]


def test_rooms() -> None:
    for path, expected in {
        "gateway/botberi_gateway/planner/walk.py": "gateway/planner",
        "gateway/botberi_gateway/executor/project.py": "gateway/executor",
        "gateway/botberi_gateway/executor/compiled/typed/flow.py": "gateway/executor/compiled",
        "gateway/botberi_gateway/cli.py": "gateway/botberi_gateway",
        "gateway/tests/planner/test_steps.py": "gateway/tests",
        "docs/architecture/planner.md": "docs/architecture",
        "docs/README.md": "docs",
        "workers/runs/store.py": "workers",
        "README.md": ".",
    }.items():
        assert room(PurePosixPath(path)) == expected
