"""A client on another machine: `python -m tests.platform.elsewhere URL EMAIL PASSWORD`; prints what it saw as JSON."""

import asyncio
import json
import sys

from tests.platform.clients import Client
from tests.platform.test_instances import POINTS, start, watch


async def main(url: str, email: str, password: str) -> None:
    """Sign in, run an agent, follow it as a browser would over a WebSocket, and download its file."""
    async with Client(url) as client:
        client.token = await client.sign_in(email, password)
        rows = [{"x": x, "y": y} for x, y in POINTS]
        instance = await start(client, "table-clusters", {"rows": rows})
        events = await watch(client, instance)
        found = await client.ask(
            "query ($id: ID!) { instance(id: $id) { artifacts { downloadUrl } } }", {"id": instance}
        )
        addresses = [file["downloadUrl"] for file in found["instance"]["artifacts"]]
        async with client.session.get(addresses[0]) as answer:
            status, size = answer.status, len(await answer.read())
        origin = url.removesuffix("/graphql")
        async with client.session.ws_connect(
            url, headers={"origin": origin}, protocols=["graphql-transport-ws"]
        ) as socket:
            await socket.send_json({"type": "connection_init"})
            acknowledged = (await socket.receive_json())["type"]
    seen = {
        "status": events[-1]["status"],
        "addresses": addresses,
        "download": status,
        "size": size,
        "socket": acknowledged,
    }
    print(json.dumps(seen))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
