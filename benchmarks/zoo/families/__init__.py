"""The networks, a file for each family; each has a list `NETWORKS`."""
