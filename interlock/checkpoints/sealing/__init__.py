"""Encryption at rest: values are sealed on their way into the database and opened on their way out."""
