"""Observable values: a widget is bound to a value instead of being told about every change."""

from __future__ import annotations

from typing import Any, Callable

Callback = Callable[[], None]


class Property:
    """An attribute of an Observable whose changes are told; the default must be immutable."""

    def __init__(self, default: Any) -> None:
        self._default = default
        self._name = ""

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, _owner: type | None = None) -> Any:
        return self if instance is None else instance.__dict__.get(self._name, self._default)

    def __set__(self, instance: Any, value: Any) -> None:
        if value != self.__get__(instance):
            instance.__dict__[self._name] = value
            instance.notify(self._name)


class Observable:
    """An object whose changes can be followed."""

    def observe(self, callback: Callback, *names: str) -> Callback:
        """Call ``callback`` now and whenever one of ``names`` changes (none: anything).

        Returns a function that ends it.
        """
        entry = (callback, names)
        observers = self.__dict__.setdefault("_observers", [])
        observers.append(entry)
        callback()
        return lambda: observers.remove(entry) if entry in observers else None

    def notify(self, name: str) -> None:
        """Tell the observers of ``name`` that it has changed."""
        for entry in list(self.__dict__.get("_observers", ())):
            # One that an earlier observer has just ended must not be called any more.
            if (not entry[1] or name in entry[1]) and entry in self.__dict__["_observers"]:
                entry[0]()
