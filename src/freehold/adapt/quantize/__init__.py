"""A float artifact becomes a smaller, faster one: which weights in how many bits, and what that costs in quality."""
