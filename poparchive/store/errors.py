"""What can go wrong with the archive's files."""

from poparchive.errors import PoparchiveError, TryLaterError


class StoreError(PoparchiveError):
    """Something about the archive's own files."""


class DamageError(StoreError):
    """Octets on disk are not what was written. Nothing is ever dropped because of it."""


class MissingObjectError(DamageError):
    """A recipe or the catalog names an object that the packs do not hold."""


class PackGoneError(DamageError):
    """A pack is not there. ``optimize`` may have moved what it held since its place was looked up."""


class MisplacedError(DamageError):
    """A whole file lies under the name of another."""


class UnreadableError(DamageError):
    """The device does not give octets back now. What they are is not known."""


class CrossedError(DamageError):
    """A whole frame begins before the committed length of a pack and ends behind it: that length is another
    journal's."""


class FormatError(StoreError):
    """The archive was written by a newer version, or it is no archive."""


class DescriptionError(FormatError):
    """``archive.toml`` is missing or says nothing of use, in what may be an archive all the same.

    ``what`` is what is wrong, without what to do.
    """

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what + remedy)
        self.what = what


class WriteError(StoreError):
    """A write or a sync failed: disk full, or a device error. The writer is dead afterwards."""


class LockedError(TryLaterError):
    """Another process writes to the archive."""
