"""The gateway beside its peers: graphs with data, workloads on them, one measuring for all, tables of the results."""
