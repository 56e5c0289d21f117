"""Teams to run, and to read first."""
