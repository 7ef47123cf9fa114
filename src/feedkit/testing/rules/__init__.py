"""The rules of the state machine, by what they are about; `feedkit.testing.machine` puts them together."""
