"""`botberi events`: what waits for the bus, what consumers gave up, and how to send it again."""
