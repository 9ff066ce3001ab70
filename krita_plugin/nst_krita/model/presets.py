"""Presets: the look of a picture under a name; some come with the plugin, the others are the painter's."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping, Sequence

from ..settings import Settings
from .options import DEFAULTS, Options
from .properties import Observable, Property
from .style_list import StyleList, alike
from .words import tr

#: Options that make the look: what a preset does not name goes back to its default.
LOOK = ("strength", "style_scale", "keep_colours", "luminance_space", "tv", "start", "coarse_to_fine")
#: Options that cost time: what a preset does not name stays as the painter has it.
EFFORT = ("size", "iterations")
#: What the ids of those that come with the plugin begin with.
BUILT_IN = "built-in:"
FOLDER = Path(__file__).parent.parent / "presets"


@dataclass(frozen=True)
class Preset:
    """``values``: options as JSON values. ``styles``: as a StyleList writes them; empty leaves them be.

    ``about``: what to expect of it, one sentence. ``picture``: path of a picture made with it, "" for none.
    ``id``: what is remembered of it: of one of the painter's its name, else the same in every language.
    """

    name: str
    values: Mapping[str, Any]
    styles: Sequence[Mapping[str, Any]] = field(default=())
    about: str = ""
    picture: str = ""
    built_in_id: str = ""

    @property
    def is_built_in(self) -> bool:
        return bool(self.built_in_id)

    @property
    def id(self) -> str:
        return self.built_in_id or self.name

    def options(self) -> dict[str, Any]:
        """What it sets, by name."""
        look = {name: getattr(DEFAULTS, name) for name in LOOK}
        return {**look, **{name: value for name, value in self.values.items() if name in (*LOOK, *EFFORT)}}

    def to_json(self) -> dict[str, Any]:
        """For the settings file."""
        return {"name": self.name, "values": dict(self.values), "styles": list(self.styles)}


class Presets(Observable):
    """The presets, and which one the settings come from.

    ``saved``: the painter's. ``chosen``: the id of the latest chosen one, "" for none. ``is_changed``:
    whether something that it sets has been changed since.
    """

    saved = Property(())
    chosen = Property("")
    is_changed = Property(False)

    def __init__(self, settings: Settings, options: Options, styles: StyleList) -> None:
        self._settings, self._options, self._styles = settings, options, styles
        self.built_in = built_in()
        self.look()
        self.chosen = self._known(settings.get("preset", str))
        options.observe(self._compare)
        styles.observe(self._compare)

    def look(self) -> None:
        """Take over the painter's as they are by now: another Krita may have saved one."""
        self.saved = tuple(filter(None, map(_read, self._settings.get("presets", list))))

    @property
    def all(self) -> tuple[Preset, ...]:
        """The built-in ones, then the painter's."""
        return (*self.built_in, *self.saved)

    @property
    def current(self) -> Preset | None:
        """The chosen one."""
        return next((preset for preset in self.all if preset.id == self.chosen), None)

    def choose(self, preset: Preset, document: str = "") -> str:
        """Take over its settings in the document with that id; returns what could not be had, in words."""
        problem = self._styles.load(preset.styles, document) if preset.styles else ""
        self._options.load(preset.options())
        self._choose(preset.id)
        return problem

    def recognise(self) -> None:
        """Settings of an earlier job have been taken over: choose the preset that they are of.

        That is the chosen one, where there is one and it fits; else the one that says the most of them.
        """
        fitting = [preset for preset in self.all if not self._differ_from(preset)] if self.is_changed else []
        if fitting:
            self._choose(max(fitting, key=lambda preset: len((*preset.options(), *preset.styles))).id)

    def save(self, name: str) -> str:
        """Keep the present settings and styles as the painter's preset ``name``: a new one or the chosen.

        Returns why not, or what of them is not kept, or "".
        """
        self.look()
        name = name.strip()
        if not name:
            return tr("A preset needs a name.")
        if any(preset.name == name for preset in self.built_in):
            return tr("“{}” comes with the plugin. Choose another name.").format(name)
        if name != self.chosen and any(preset.name == name for preset in self.saved):
            return self._taken(name)
        values = {option: self._options[option] for option in (*LOOK, *EFFORT)}
        made = Preset(name, values, self._styles.to_json())
        self._keep([*(preset for preset in self.saved if preset.name != name), made])
        self._choose(name)
        if any(style.region is not None for style in self._styles.styles):
            return tr("Saved, except where each style paints: that belongs to this picture.")
        return ""

    def rename(self, preset: Preset, name: str) -> str:
        """Give one of the painter's another name; returns why not, or ""."""
        self.look()
        name = name.strip()
        if not name or name == preset.name:
            return ""
        if any(other.name == name for other in self.all):
            return self._taken(name)
        renamed = Preset(name, preset.values, preset.styles)
        was_chosen = self.chosen == preset.id
        self._keep([renamed if known.id == preset.id else known for known in self.saved])
        if was_chosen:
            self._choose(name)
        return ""

    def _taken(self, name: str) -> str:
        return tr("There is a preset “{}” already. Choose another name.").format(name)

    def delete(self, preset: Preset) -> None:
        """Forget one of the painter's; the settings stay as they are."""
        self.look()
        self._keep([known for known in self.saved if known.id != preset.id])
        if self.chosen == preset.id:
            self._choose("")

    def _choose(self, preset_id: str) -> None:
        self.chosen = preset_id
        self._settings.set("preset", preset_id)
        self._compare()

    def _known(self, remembered: str) -> str:
        """The id that was remembered; earlier versions remembered the name as the painter read it."""
        if any(preset.id == remembered for preset in self.all):
            return remembered
        names = (remembered, BUILT_IN + remembered)
        return next((preset.id for preset in self.built_in if {preset.name, preset.id} & {*names}), "")

    def _keep(self, presets: Sequence[Preset]) -> None:
        self.saved = tuple(sorted(presets, key=lambda preset: preset.name.lower()))
        self._settings.set("presets", [preset.to_json() for preset in self.saved])

    def _compare(self) -> None:
        self.is_changed = self.current is not None and self._differ_from(self.current)

    def _differ_from(self, preset: Preset) -> bool:
        """Whether something that it sets is otherwise now."""
        if any(self._options[name] != value for name, value in preset.options().items()):
            return True
        return bool(preset.styles) and not alike(preset.styles, self._styles.to_json())


def built_in() -> tuple[Preset, ...]:
    """Those that come with the plugin, in their order."""
    entries = json.loads((FOLDER / "presets.json").read_text(encoding="utf-8"))
    return tuple(_built_in(**entry) for entry in entries)


def _built_in(name: str, about: str, picture: str, values: Mapping[str, Any]) -> Preset:
    return Preset(tr(name), values, (), tr(about), str(FOLDER / picture), BUILT_IN + name)


def _read(saved: Any) -> Preset | None:
    """One of the settings file; None where it does not fit."""
    if not isinstance(saved, Mapping) or not isinstance(saved.get("name"), str):
        return None
    values, styles = saved.get("values"), saved.get("styles")
    if not isinstance(values, Mapping) or not isinstance(styles, list):
        return None
    # What a job would refuse is left out, so that it does not count as changed either.
    checked = Options()
    checked.load(values)
    usable = {name: checked[name] for name in values if name in (*LOOK, *EFFORT)}
    return Preset(saved["name"], usable, [dict(entry) for entry in styles if isinstance(entry, Mapping)])
