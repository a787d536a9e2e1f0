"""`botberi audit`: the audit log, checked and exported."""
