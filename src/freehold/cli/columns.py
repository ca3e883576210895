"""Rows of text in columns, as people read them on a terminal."""

from collections.abc import Collection, Sequence


def columns(rows: Sequence[Sequence[str]], numeric: Collection[int] = ()) -> list[str]:
    """A line a row, two spaces between columns, each as wide as its widest cell; those in `numeric` are flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if place in numeric else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
