"""The gateway's face: every name it promises is there, and asking for one doesn't load the others."""

import subprocess
import sys

import gateway


def test_every_promised_name_is_there() -> None:
    assert {name for name in gateway.__all__ if getattr(gateway, name, None) is None} == set()
    assert set(gateway.__all__) <= set(dir(gateway))


def test_the_supergraph_alone_loads_neither_composer_nor_http_client() -> None:
    code = (
        "import sys, gateway; gateway.Supergraph;"
        "print([m for m in sys.modules if m in ('gateway.composition', 'gateway.planner', 'aiohttp')])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert loaded.stdout.strip() == "[]"
