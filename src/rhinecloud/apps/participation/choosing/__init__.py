"""Choose your group: places by wishes, by lot or by arrival; waiting lists that move; the proof of the draw."""
