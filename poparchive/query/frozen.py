"""Frozen values, as frozen dataclasses are, that cost a search nothing to define.

Two dozen dataclasses take longer to make than a search takes to run.
"""

from typing import Any, ClassVar, dataclass_transform


@dataclass_transform(frozen_default=True, eq_default=True)
class Frozen:
    """Base of values: fields from annotations, equal if class and fields are, no field can be set."""

    _names: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        cls._names = tuple(cls.__annotations__)

    def __init__(self, *values: Any, **named: Any) -> None:
        fields = self.__dict__
        fields.update(zip(self._names, values, strict=False), **named)
        for name in self._names[len(values) :]:
            if name not in fields:
                # The default stands in the class; without one this is the error.
                fields[name] = type(self).__dict__[name]
        if len(fields) != len(self._names) or len(values) + len(named) > len(self._names):
            raise TypeError(f"{type(self).__name__} has the fields {', '.join(self._names)}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.__dict__ == self.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *map(self.__dict__.__getitem__, self._names)))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={self.__dict__[name]!r}" for name in self._names)
        return f"{type(self).__name__}({shown})"
