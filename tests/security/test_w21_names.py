"""W21: a display name shows what it is: nothing unseen, nothing reordered, no account with the platform's own name."""

from collections.abc import AsyncIterator

import pytest

from subgraphs.catalog.validation import entry_problems
from subgraphs.common.names import deceptive_character
from subgraphs.identity.display_names import display_name_problems
from subgraphs.instance.making import name_problems as instance_name_problems
from tests.subgraphs.conftest import Client
from tests.support.identity import answer_to_register, identity_client

#: Code points that are not seen or reorder what is: controls, bidirectional, zero width, fillers, tags, private use.
UNSEEN = [
    *(0x00, 0x07, 0x0A, 0x1B, 0x7F, 0x85, 0xAD, 0x34F, 0x61C, 0x115F, 0x17B4, 0x180E, 0x200B, 0x200E, 0x200F),
    *(0x2028, 0x2029, 0x202A, 0x202E, 0x2060, 0x2064, 0x2066, 0x2069, 0x2800, 0x3164, 0xFE0F, 0xFEFF, 0xFFA0, 0xFFF9),
    *(0xE000, 0xE0001, 0xE0041, 0xE0100, 0xF0000),
]
#: Names that people have.
NAMES = [
    *("Ada Lovelace", "Zoë", "O'Neil-Smith, Jr.", "Иван Петров", "张伟", "José Ñandú", "Nguyễn Thị Minh Khai"),
    *(
        "محمد علي",
        "שלום כהן",
        "श्री",
        "क्\N{ZERO WIDTH JOINER}ष",
        "می\N{ZERO WIDTH NON-JOINER}خواهم",
        "ปิ่น",
        "👩‍💻 Grace",
        "❤️ & Co.",
    ),
    *(
        "🏳️‍🌈",
        "葛\N{VARIATION SELECTOR-17}城",
        "Botticelli",
        "Robert Biot",
        "Support Group Berlin",
        "Admin Ada",
        "X Æ A-12",
        "100% Cotton",
    ),
]
#: What passes for "Botberi", the publisher of the built-in agents, or for somebody with an office.
IMITATIONS = [
    *(
        "Botberi",
        "botberi",
        " BOTBERI ",
        "Botberi Team",
        "The Botberi Team",
        "B o t b e r i",
        "B.o.t.b.e.r.i",
        "Bot-beri",
    ),
    *(
        "B0tberi",
        "Botber1",
        "Botberl",
        "8otberi",
        "Вotberi",
        "Воtbеri",
        "βοτβεrι",
        "Bοtberi",
        "botberı",
        "Botbêri",
        "ᏴotᏏeri",
    ),
    *("𝔹𝕠𝕥𝕓𝕖𝕣𝕚", "Ⓑⓞⓣⓑⓔⓡⓘ", "ɃօтƄɇгі", "Ｂｏｔｂｅｒｉ", "Bo\N{COMBINING DIAERESIS}tberi", "Bottberi"),
    *("admin", "Administrator", "Аdmin", "S u p p o r t", "0fficial", "Moderator", "system"),
]


@pytest.mark.parametrize("code", UNSEEN, ids=lambda code: f"U+{code:04X}")
def test_unseen_characters_are_refused_in_every_name(code: int) -> None:
    name = f"Ada{chr(code)}Lovelace"
    assert deceptive_character(name) is not None
    assert display_name_problems("displayName", name, ())
    assert instance_name_problems(name)
    assert entry_problems({"name": name})
    assert entry_problems({"summary": name})


@pytest.mark.parametrize("name", NAMES)
def test_names_that_people_have_are_taken(name: str) -> None:
    assert display_name_problems("displayName", name, ("Botberi",)) == []


@pytest.mark.parametrize("name", IMITATIONS)
def test_imitations_are_refused(name: str) -> None:
    assert display_name_problems("displayName", name.strip(), ("Botberi",))


def test_heaps_of_marks_are_refused() -> None:
    assert deceptive_character("Z" + "\N{COMBINING ACUTE ACCENT}" * 30) is not None
    assert deceptive_character("\N{COMBINING ACUTE ACCENT}Ada") is not None


@pytest.fixture
async def identity(user_database_url: str) -> AsyncIterator[Client]:
    async with identity_client(user_database_url, reserved_names=("Acme",)) as client:
        yield client


@pytest.mark.postgres
async def test_register_says_what_is_wrong(identity: Client) -> None:
    for name, words in (("Ada\u202eLovelace", "U+202E"), ("Acmé Support", "platform's own")):
        answer = await answer_to_register(identity, {"displayName": name})
        (field,) = answer["fields"]
        assert field["path"] == ["displayName"]
        assert words in field["message"]
    made = await answer_to_register(identity, {"displayName": " Zoe\N{COMBINING DIAERESIS} "})
    assert made["account"]["displayName"] == "Zoë"
