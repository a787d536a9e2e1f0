"""A command of `botberi keys` -> the work done in the state folder; the exit code."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botberi.settings import GatewaySettings
from botberi.wiring import keys


def _folder(state_dir: Path | None) -> Path:
    given: dict[str, Any] = {} if state_dir is None else {"state_dir": state_dir}
    return GatewaySettings(**given).state_dir / "keys"


async def list_keys(state_dir: Path | None) -> int:
    """`botberi keys list`."""
    folder = _folder(state_dir)
    paths = sorted(folder.glob("*.pem"), key=lambda path: (path.stat().st_mtime, path.name), reverse=True)
    for path in paths:
        since = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        print(f"{keys.kid_of(path)}  since {since:%Y-%m-%dT%H:%M:%SZ}  {path.name}")
    if not paths:
        print(f"There are no keys in {folder}; the gateway makes one when it starts.")
    return 0


async def rotate(state_dir: Path | None) -> int:
    """`botberi keys rotate`."""
    path = keys.add_key(_folder(state_dir))
    signs_at = datetime.fromtimestamp(time.time() + keys.LOOK_SECONDS + keys.PUBLISH_SECONDS, UTC)
    print(f"{path} is new: published at once, and signing from {signs_at:%H:%M:%S} (UTC).")
    print("Where gateways have folders of their own, copy it to all of them now. Then: botberi keys prune")
    return 0


async def prune(state_dir: Path | None) -> int:
    """`botberi keys prune`: 1 while the newest key is too new to sign."""
    folder = _folder(state_dir)
    removed = keys.remove_superseded(folder, older_than_seconds=keys.PUBLISH_SECONDS + keys.KEPT_SECONDS)
    for path in removed:
        print(f"{path} is removed.")
    if not removed and len(list(folder.glob("*.pem"))) > 1:
        wait = keys.PUBLISH_SECONDS + keys.KEPT_SECONDS
        print(f"Nothing is removed: the newest key has to be there for {wait:.0f} s, so that it surely signs.")
        return 1
    return 0
