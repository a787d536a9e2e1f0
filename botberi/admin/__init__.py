"""`botberi admin`: the first admin of a platform, roles and sealed secrets."""
