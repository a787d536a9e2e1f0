"""A GraphQL federation gateway for any graph: compose, plan, execute, serve."""
