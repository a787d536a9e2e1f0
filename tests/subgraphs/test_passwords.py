"""Which passwords may be chosen, as a table."""

import pytest

from subgraphs.identity.passwords import weakness


@pytest.mark.parametrize(
    "password",
    [
        "",
        "elevenchars",
        "x" * 257,
        "x" * 5_000_000,
        "\ufdfa" * 200,  # One character that NFKC makes eighteen of.
        "aaaaaaaaaaaaaaaa",
        "abababababababab",
        "ada.lovelace@example.com",
        "ADA.LOVELACE@EXAMPLE.COM",
        "ada.lovelace",
        "ada lovelace, countess",
        "password1234",
        "Password123!",
        "P@ssw0rd2024",
        "passwordpassword",
        "admin123admin123",
        "123456789012",
        "098765432109",
        "qwertyuiop123",
        "1q2w3e4r5t6y",
        "1QAZ2wsx3edc",
        "iloveyou2024!",
        "Summer2024!!",
        "abcdefghijkl",
        "a\x00bcdefghijklmno",
    ],
)
def test_weak(password: str) -> None:
    assert weakness(password, "ada.lovelace@example.com", "Ada Lovelace, Countess")


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "a passphrase with password in it",
        "xK9#mQ2$vL7!",
        "пароль из букв",
        "🦊🐻🐼🐨🐯🦁🐮🐷🐸🐵🐔🐧",
        "summer fields of barley",
        "   spaces count   ",
        "maple river " * 21,
        "dragonfly over the pond 12",
    ],
)
def test_fit(password: str) -> None:
    assert weakness(password, "ada.lovelace@example.com", "Ada") is None
