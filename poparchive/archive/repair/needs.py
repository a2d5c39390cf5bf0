"""What a verification found, as far as a repair needs to know it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from poparchive.archive.verify.findings import Damage, Kind


@dataclass(slots=True)
class Needs:
    """Packs with the octets that are bad, packs without parity of use, kinds of damage, messages lost."""

    packs: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    parity: set[int] = field(default_factory=set)
    kinds: set[Kind] = field(default_factory=set)
    messages: list[bytes] = field(default_factory=list)
    newer: dict[int, str] = field(default_factory=dict)
    """What a newer version wrote, which stays as it is: packs by their number, 0 for the journal."""

    behind: bool = False
    """Whether the catalog lacks nothing but the end of the journal."""

    @classmethod
    def of(cls, damages: Iterable[Damage]) -> Self:
        """Return what all of these need."""
        needs = cls()
        for damage in damages:
            needs.add(damage)
        return needs

    def add(self, damage: Damage) -> None:
        """Take in one damage."""
        if damage.behind:
            self.behind = True
            return
        self.kinds.add(damage.kind)
        if damage.kind is Kind.PACK and damage.pack is not None:
            self.packs.setdefault(damage.pack, []).append((damage.start, damage.end))
        elif damage.kind is Kind.PARITY and damage.pack is not None:
            self.parity.add(damage.pack)
        elif damage.kind is Kind.NEWER and damage.identity is None:
            self.newer.setdefault(damage.pack or 0, damage.what)
        elif damage.kind is Kind.MESSAGE and damage.identity is not None:
            self.messages.append(damage.identity)
