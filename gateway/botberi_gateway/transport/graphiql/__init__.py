"""GraphiQL from files of our own: no address outside the server, so that it works without the internet."""
