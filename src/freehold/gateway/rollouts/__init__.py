"""A model that takes another one's place step by step, and goes back by itself."""
