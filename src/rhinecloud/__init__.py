"""Rhine Cloud: one program with which a city connects its devices, its data, its offices and its people."""
