"""Code that the three subgraphs share: schema -> ASGI app, the caller's context, pagination, loaders, errors."""
