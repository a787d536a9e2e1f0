"""Three services that meet only in the supergraph."""
