"""Settings -> the URLs of both databases: those in the settings, or those of the platform in the state folder."""

from botberi.postgres import DATABASES, running_url
from botberi.postgres_places import PostgresError
from botberi.run.errors import StartError
from botberi.settings import BackupSettings, EventsSettings, SeedSettings


def database_urls(settings: EventsSettings | SeedSettings | BackupSettings) -> dict[str, str]:
    """URLs by database name (`user_psql`, `shared_psql`). Raises `StartError`, which says how to name or start them."""
    urls = (settings.user_database_url, settings.shared_database_url)
    if all(urls):
        return {name: url for name, url in zip(DATABASES, urls, strict=True) if url}
    if any(urls):
        raise StartError("Set both BOTBERI_USER_DATABASE_URL and BOTBERI_SHARED_DATABASE_URL, or neither.")
    try:
        return {name: running_url(settings.state_dir, name) for name in DATABASES}
    except PostgresError as error:
        raise StartError(
            f"{error}. Start it (`./start`), or set BOTBERI_USER_DATABASE_URL and BOTBERI_SHARED_DATABASE_URL."
        ) from None
