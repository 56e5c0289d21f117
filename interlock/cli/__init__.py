"""The command line: commands, exit codes, and the only reader of the environment."""
