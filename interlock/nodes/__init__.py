"""The nodes of the run graph and the step graph: state in, update out. No SQL, no environment."""
