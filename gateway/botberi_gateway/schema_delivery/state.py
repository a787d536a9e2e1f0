"""The last SDLs that were served, kept in a folder: a gateway starts with them where their places are down."""

import logging
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

logger = logging.getLogger(__name__)


class SchemaState:
    """A folder with one file for each SDL. Without a folder nothing is kept."""

    def __init__(self, folder: Path | None, graph: str = "") -> None:
        self._folder = folder if folder is None or not graph else folder / quote(graph, safe="")

    def last(self, name: str) -> str | None:
        """The SDL of this name that was served last, or None."""
        if self._folder is None:
            return None
        try:
            return self._file(name).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def keep(self, texts: Mapping[str, str]) -> None:
        """Write what is served now. A folder that can't be written is logged, and served all the same."""
        if self._folder is None:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for name, text in texts.items():
                if self.last(name) != text:
                    self._write(self._file(name), text)
        except OSError as error:
            logger.warning("the SDLs can't be kept in %s: %s", self._folder, error.strerror)

    def _file(self, name: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{quote(name, safe='') or 'supergraph'}.graphql"

    def _write(self, file: Path, text: str) -> None:
        """Write it as a whole or not at all: several processes may do so at once."""
        descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=".new-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(text)
            Path(temporary).replace(file)
        except OSError:
            with suppress(OSError):
                Path(temporary).unlink()
            raise
