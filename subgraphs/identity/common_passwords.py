"""A password -> whether it is one that attackers try first, of those that are long enough to be chosen here."""

from __future__ import annotations

import re

# What lists of leaked passwords are made of. Twelve characters come about by adding digits or saying it twice.
_WORDS = """
    password passwort passw0rd p@ssword p@ssw0rd pa$$word mypassword secret topsecret supersecret secretpassword
    welcome letmein changeme default temporary iloveyou loveyou trustno whatever
    admin administrator root superuser test testing tester user guest demo login master system server
    qwerty qwertyuiop qwertyui asdf asdfgh asdfghjkl asdfghjk zxcv zxcvbn zxcvbnm azerty qwertz yxcvbnm
    qwertyasdf qwertyuiopasdfghjkl asdfghjklqwertyuiop qwerasdf qwerasdfzxcv
    qaz wsx qazwsx qazwsxedc qazwsxedcrfv zaqwsx zaqxsw zaqwsxcde qwe qweasd qweasdzxc asd asdzxc
    abc abcd abcde abcdef abcdefg abcdefgh abcdefghi abcdefghij abcdefghijk abcdefghijkl abcdefghijklmnop
    monkey dragon shadow sunshine princess football baseball basketball superman batman spiderman pokemon
    starwars computer internet samsung google facebook microsoft apple windows linux
    michael jordan jennifer jessica charlie daniel thomas andrew robert matthew anthony william
    liverpool manchester arsenal chelsea barcelona realmadrid juventus
    hello helloworld freedom flower summer winter spring autumn january february october november december
    monday friday cheese chocolate butterfly rainbow diamond cookie banana orange pepper ginger
    botberi
"""
_STEMS = frozenset(_WORDS.split())
_WALKS = """
    1q2w3e4r5t 1q2w3e4r5t6y 1q2w3e4r5t6y7u q1w2e3r4t5 q1w2e3r4t5y6 1qaz2wsx3edc 1qaz2wsx3edc4rfv 1qazxsw23edc
    zaq12wsxcde3 zaq1zaq1zaq1 1qaz1qaz1qaz qwer1234asdf 1234qwerasdf 1234qwerasdfzxcv a1b2c3d4e5f6 a1s2d3f4g5h6
    qwertyuiop[] asdfghjkl;'
"""
_KEYBOARD_WALKS = frozenset(_WALKS.split())
_ROWS = ("0123456789" * 4, "9876543210" * 4)
# More words of this short list make a passphrase.
MAX_STEMS = 3
_LEET = str.maketrans("@$!|", "asii")


def is_common(password: str) -> bool:
    """True if the password is made of common words with digits and signs about them, or is a walk on the keyboard."""
    text = password.casefold()
    if text in _KEYBOARD_WALKS or any(text in row for row in _ROWS):
        return True
    return any(_is_stem(form) for form in (text, text.translate(_LEET)))


def _is_stem(text: str) -> bool:
    core = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", text)
    if core in _STEMS:
        return True
    # Said twice or more, or two or three of them, with or without digits between: "admin123admin123".
    words = [word for word in re.split(r"[\W\d_]+", text) if word]
    if words and (len(set(words)) == 1 or len(words) <= MAX_STEMS) and all(word in _STEMS for word in words):
        return True
    return any(core == core[:size] * (len(core) // size) and core[:size] in _STEMS for size in range(3, len(core)))
