"""Subscriptions at subgraphs, over each protocol: equal ones made once, lost ones begun again."""
