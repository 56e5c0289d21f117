"""Storage on SQLite: one file or a database in memory, one writer thread, group commit."""
