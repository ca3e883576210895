"""One deployment takes the place of another: what is in force, what would change, and the steps between them."""
