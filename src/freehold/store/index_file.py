"""`index.json` of a layout: read by anyone at any time, replaced by one process at a time."""

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from freehold.artifact.artifact import write_durably
from freehold.errors import FreeholdError
from freehold.store.history import History, Move, moved
from freehold.store.index import Index, Read, decode, encode
from freehold.store.locks import exclusive
from freehold.store.oci import LAYOUT_VERSION, UNREADABLE


class _Layout(msgspec.Struct, frozen=True, rename={"version": "imageLayoutVersion"}):
    version: str


class IndexFile:
    """The index of the layout at `root`; `read_image` gives the manifests of what other tools put in."""

    def __init__(self, root: Path, read_image: Read) -> None:
        self.history = History(root)
        self._root = root
        self._path = root / "index.json"
        self._layout = root / "oci-layout"
        self._read_image = read_image
        self._seen: tuple[bytes, Index] | None = None

    def exists(self) -> bool:
        """Whether there is a layout."""
        return self._path.is_file()

    def begin(self) -> None:
        """Make the root a layout, where it is none yet. Raises OSError, `store_busy`."""
        if self._layout.is_file() and self.exists():
            return
        with exclusive(self._root / "index.lock"):
            if not self.exists():
                write_durably(self._path, encode(Index()))
            if not self._layout.is_file():
                write_durably(self._layout, msgspec.json.encode(_Layout(LAYOUT_VERSION)))

    def read(self) -> Index:
        """The index as it is now, empty where there is none; decoded again only when its bytes have changed.

        Raises `store_unreadable`, `store_damaged`.
        """
        try:
            raw = self._path.read_bytes()
            seen = self._seen
            if seen is None or seen[0] != raw:
                self._check_layout()
                seen = self._seen = raw, decode(raw, self._read_image)
        except FileNotFoundError:
            return Index()
        except OSError as error:
            raise FreeholdError("store_unreadable", path=self._root, reason=error.strerror or str(error)) from error
        except UNREADABLE as error:
            raise FreeholdError("store_damaged", path=self._path, reason=str(error)) from error
        return seen[1]

    def change(self, change: Callable[[Index], Index]) -> Index:
        """Replace the index by what `change` makes of it, with the moves of its tags in the history first.

        Raises as `read`, and `store_busy`, OSError, and what `change` raises: the index is then as it was.
        """
        with exclusive(self._root / "index.lock"):
            before = self.read()
            after = change(before)
            if after != before:
                self.history.append(_moves(before.tags, after.tags))
                write_durably(self._path, encode(after))
            return after

    def _check_layout(self) -> None:
        if not self._layout.is_file():  # its first writer was killed in between; the next one writes it
            return
        layout = msgspec.json.decode(self._layout.read_bytes(), type=_Layout)
        if layout.version != LAYOUT_VERSION:
            raise FreeholdError("store_damaged", path=self._layout, reason=f"layout version {layout.version}")


def _moves(before: Mapping[tuple[str, str], str], after: Mapping[tuple[str, str], str]) -> list[Move]:
    changed = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return [moved(name, tag, before.get((name, tag), ""), after.get((name, tag), "")) for name, tag in changed]
