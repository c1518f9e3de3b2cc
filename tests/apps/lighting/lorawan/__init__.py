"""LoRaWAN groups: schedules in frames, what lamps say, and a simulated field."""
