"""What an author runs: `solutions/` -> `labs/`, and the ladder's sources -> PTX."""
