"""Cost of subscriptions: sockets that one process holds, events that it delivers, and how late they come."""
