"""Light on demand: the roads, who stands along them, how lamps react to travellers, and what is counted of them. Pure:
the same code runs in a field gateway, in the platform and in a simulation (docs/reference/lighting-on-demand.md)."""
