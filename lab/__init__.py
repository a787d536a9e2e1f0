"""Equipment for tests and measurements: in no wheel, in no command of the product."""
