"""Neural style transfer for Krita. Importing it inside Krita registers the docker and its actions."""

from __future__ import annotations


def _register() -> None:
    from . import extension, vendor

    problem = ""
    try:
        vendor.activate()
    except ImportError as error:
        problem = str(error)
    extension.register(problem)


try:
    import krita as _krita  # noqa: F401
except ImportError:  # outside Krita, where the parts without Krita can still be used
    pass
else:
    _register()
