"""`botberi up --stack full`: the platform as compose.yaml has it, without containers."""
