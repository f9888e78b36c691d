"""What the commands of `gpulabs` do; `gpulabs.cli` holds their options and imports these when they run."""
