"""Environment -> typed settings that several parts share; a part's own settings subclass `Settings`."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import unquote

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

#: What the secrets of env/dev begin with.
DEVELOPMENT: Final = "development"


class SettingsError(Exception):
    """A setting that a part cannot do without is missing or wrong."""

    code = "SETTINGS"


def _postgres_url(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if scheme not in ("postgresql", "postgres") or not separator or not rest:
        # The value is not repeated: it may hold a password.
        raise ValueError("must look like postgresql://user:password@host:5432/database")
    return f"postgresql://{rest}"


def _amqp_url(url: str) -> str:
    if not url.startswith(("amqp://", "amqps://")):
        raise ValueError("must look like amqp://user:password@host:5672/vhost")
    return url


PostgresUrl = Annotated[str, AfterValidator(_postgres_url)]
AmqpUrl = Annotated[str, AfterValidator(_amqp_url)]


class _FileSource(PydanticBaseSettingsSource):
    """`BOTBERI_…_FILE` -> the setting's value is what that file holds, as Docker and Kubernetes hand out secrets."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[str | None, str, bool]:
        """Overrides `PydanticBaseSettingsSource.get_field_value`."""
        variable = f"BOTBERI_{field_name.upper()}_FILE"
        path = os.environ.get(variable)
        if not path:
            return None, field_name, False
        try:
            return Path(path).read_text().strip(), field_name, False
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise SettingsError(f"{variable}: {path} can't be read: {reason}") from None

    def __call__(self) -> dict[str, Any]:
        """Overrides `PydanticBaseSettingsSource.__call__`."""
        values = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in values.items() if value}


class Settings(BaseSettings):
    """The base: names from `BOTBERI_…` or from the files that `BOTBERI_…_FILE` name.

    Empty means unset; unknown names are other parts' business.
    """

    model_config = SettingsConfigDict(
        env_prefix="BOTBERI_",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, and a value there over a file that is named there."""
        return init_settings, env_settings, _FileSource(settings_cls)

    @model_validator(mode="after")
    def _no_development_values_in_production(self) -> Self:
        if (getattr(self, "env", None) or os.environ.get("BOTBERI_ENV")) != "prod":
            return self
        for name in type(self).model_fields:
            if any(value.startswith(DEVELOPMENT) for value in _secrets(getattr(self, name))):
                # The value is not repeated: it may be in use somewhere, all the same.
                raise ValueError(
                    f"BOTBERI_{name.upper()} has a value that begins with `{DEVELOPMENT}`: with BOTBERI_ENV=prod that "
                    "is refused; everybody knows it, so set one of your own"
                )
        return self


def _secrets(value: object) -> Iterator[str]:
    """The texts that a setting is made of, and the user, the password and so on of an address."""
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, str):
        yield value
        if "://" in value:
            yield from re.split(r"[:/@?&=;,]+", unquote(value))
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _secrets(each)
    elif isinstance(value, tuple | list | frozenset | set):
        for each in value:
            yield from _secrets(each)


class LogSettings(Settings):
    """Settings that every part reads: the environment's name, and how it logs."""

    # `prod` refuses what is for development and tests alone (shared_schema/killpoints.py).
    env: Literal["dev", "prod"] = "dev"
    # How every part logs.
    log_format: Literal["text", "json"] = "text"
    # How every part logs.
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class CookieSettings(LogSettings):
    """Cookies and API keys; identity, which makes them, and the gateway, which reads them, must agree."""

    # Cookies are `Secure` and their names begin with `__Host-`. Unset: on, but for BOTBERI_ENV=dev, whose
    # http://localhost has no HTTPS. BOTBERI_ENV=prod refuses `false`.
    session_cookie_secure: bool | None = None
    # The environment that API keys name (`bb_<environment>_…`); keys of another are refused. Unset: BOTBERI_ENV.
    api_key_environment: Annotated[str, Field(pattern=r"^[a-z0-9]{1,12}$")] | None = None

    @property
    def key_environment(self) -> str:
        """The environment of API keys."""
        return self.api_key_environment or self.env

    @property
    def cookies_are_secure(self) -> bool:
        """True if cookies are for HTTPS alone."""
        return self.env != "dev" if self.session_cookie_secure is None else self.session_cookie_secure

    @model_validator(mode="after")
    def _secure_in_production(self) -> Self:
        if self.env == "prod" and self.session_cookie_secure is False:
            raise ValueError("BOTBERI_SESSION_COOKIE_SECURE=false is for BOTBERI_ENV=dev alone")
        return self


class StateSettings(Settings):
    """Folder in which embedded parts keep data, credentials and keys."""

    state_dir: Path = Path(".botberi")


class DatabaseSettings(Settings):
    """The two databases. Unset means the embedded Postgres, whose URLs `botberi up` puts here."""

    user_database_url: PostgresUrl | None = Field(default=None, repr=False)
    shared_database_url: PostgresUrl | None = Field(default=None, repr=False)
    database_pool_size: Annotated[int, Field(ge=1, le=200)] = 5
    database_max_overflow: Annotated[int, Field(ge=0, le=200)] = 10
    database_statement_timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 15.0

    def require_user_database_url(self) -> str:
        """Return the URL of `user_psql`, or say how to set it."""
        return _required(self.user_database_url, "BOTBERI_USER_DATABASE_URL")

    def require_shared_database_url(self) -> str:
        """Return the URL of `shared_psql`, or say how to set it."""
        return _required(self.shared_database_url, "BOTBERI_SHARED_DATABASE_URL")


class AmqpSettings(Settings):
    """RabbitMQ. Unset means the in-process bus."""

    amqp_url: AmqpUrl | None = Field(default=None, repr=False)


def _required(value: str | None, name: str) -> str:
    if value is None:
        raise SettingsError(f"{name} is not set: set it, or start the part with `botberi up`")
    return value
