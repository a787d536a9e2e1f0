"""The client's side: bytes → request, response → bytes, over HTTP, WebSocket, server-sent events and multipart."""
