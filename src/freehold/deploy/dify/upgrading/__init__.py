"""A Dify brought to another version: planned, saved, migrated, tried, and taken back where that fails."""
