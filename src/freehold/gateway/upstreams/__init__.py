"""Models that other servers compute: where they are, whether they answer, and who of them is asked."""
