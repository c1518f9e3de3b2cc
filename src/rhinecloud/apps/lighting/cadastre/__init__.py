"""The cadastre: lamps of the graph as facts that the other areas ask for."""
