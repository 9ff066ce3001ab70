"""Neural style transfer for Krita. Importing it inside Krita registers the docker and its actions."""

from __future__ import annotations


def _register() -> None:
    from . import translation
    from .qt import QtCore

    # Krita makes the language chosen in Settings ▸ Switch Application Language Qt's default; without one
    # that is the system's. First of all, as the other modules make tables of texts when they are imported.
    locale = QtCore.QLocale()
    translation.use(locale.uiLanguages(), locale.decimalPoint())
    from . import extension, vendor

    problem = ""
    try:
        vendor.activate(tr=translation.tr)
    except ImportError as error:
        problem = str(error)
    extension.register(problem)


try:
    import krita as _krita  # noqa: F401
except ImportError:  # outside Krita, where the parts without Krita can still be used
    pass
else:
    _register()
