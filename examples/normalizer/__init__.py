"""A small decoder of our own that brings dates, amounts and measures to one normal form, in English and Chinese."""
