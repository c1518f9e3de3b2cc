"""What light on demand saves and what it costs those who are on the road: power, usefulness, schemes, traffic. Pure;
`python -m bench lighting` reads the data and prints (docs/reference/lighting-evidence.md has every definition)."""
