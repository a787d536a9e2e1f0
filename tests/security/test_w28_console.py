"""W28: the development accounts' passwords stand on a terminal and in a file of their owner, in no log."""

import io
import stat
from pathlib import Path

import pytest
from rich.console import Console

from botberi import credentials, data, table
from botberi.settings import SeedSettings


class Terminal(io.StringIO):
    """An output that a person reads."""

    def isatty(self) -> bool:
        return True


def test_the_file_is_named_where_output_is_no_terminal(tmp_path: Path) -> None:
    assert credentials.kept_in(tmp_path, io.StringIO()) == tmp_path / "credentials.json"
    assert credentials.kept_in(tmp_path, Terminal()) is None


@pytest.mark.parametrize("output", [io.StringIO(), Terminal()], ids=["log", "terminal"])
def test_the_table_of_a_start(tmp_path: Path, output: io.StringIO) -> None:
    accounts = credentials.load_or_make(tmp_path)
    kept_in = credentials.kept_in(tmp_path, output)
    console = Console(file=output, width=200)
    table.show(
        console, {}, seconds=1, endpoint="http://x/graphql", accounts=accounts, passwords_in=kept_in, bus="in process"
    )
    text = output.getvalue()
    assert [account.password in text for account in accounts] == [output.isatty()] * 2
    assert ("credentials.json" in text) == (not output.isatty())
    assert all(account.email in text for account in accounts)
    assert stat.S_IMODE((tmp_path / "credentials.json").stat().st_mode) == 0o600


async def test_a_seed_in_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def nothing(*_: object) -> None:
        """The databases are another test's."""

    monkeypatch.setattr(data, "seed_both", nothing)
    url = "postgresql://none@localhost/nothing"
    await data.seed(SeedSettings(state_dir=tmp_path, user_database_url=url, shared_database_url=url))
    output = capsys.readouterr().out
    assert "admin@botberi.dev" in output
    assert str(tmp_path / "credentials.json") in output
    assert not any(account.password in output for account in credentials.load_or_make(tmp_path))
