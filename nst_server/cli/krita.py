"""``nst krita``: install the plugin into Krita, take it out again, or pack it as a zip."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from krita_plugin import install, package, server_wheel, wheels
from krita_plugin.errors import SetupError
from krita_plugin.profiles import Profile, find_profiles
from nst_server import __version__
from nst_server.cli.errors import CliError
from nst_server.wire.launch import running_server

_NEXT = """\
Now start Krita. Settings ▸ Dockers ▸ Neural Style Transfer shows the docker; Tools ▸ Scripts has it too."""

_NEXT_FLATPAK = """\
Krita from Flatpak cannot start programs outside of its box: run `nst serve` in a terminal first."""

_WITH_UV = "The docker can install the server by itself."
_WITHOUT_UV = """\
Without uv in it, the docker can install the server only where uv is on PATH."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``nst krita`` and its three actions."""
    parser = subparsers.add_parser("krita", help="install the plugin into Krita, remove it, or pack it")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    put = actions.add_parser("install", help="put the plugin into every Krita of this user, and enable it")
    put.add_argument(
        "--link", action="store_true", help="link to the sources instead of copying (developers)"
    )
    text = "take out the plugin, and the server that the docker installed; settings, frames and weights stay"
    take = actions.add_parser("uninstall", help=text, description=f"{text[0].upper()}{text[1:]}.")
    take.add_argument(
        "--purge", action="store_true", help="remove settings, jobs, frames and weights as well"
    )
    pack = actions.add_parser("package", help="make the zip that Krita imports by itself")
    pack.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="ZIP",
        help=f"where to write it (default: dist/nst_krita-{__version__}-PLATFORM.zip)",
    )
    this = wheels.this_platform()
    pack.add_argument(
        "--platform",
        choices=[*wheels.PLATFORMS, "all"],
        default=this if this in wheels.PLATFORMS else "all",
        help="whose Krita it serves and installs the server for; all: every Krita, with a server that was "
        "installed in another way (default: %(default)s)",
    )
    for action in (put, take):
        action.add_argument(
            "--resources", type=Path, metavar="DIR", help="Krita's resource folder (default: found)"
        )
        action.add_argument("--kritarc", type=Path, metavar="FILE", help="Krita's settings, with --resources")
    for action in (put, pack):
        action.add_argument(
            "--offline", action="store_true", help="download nothing; serve Kritas like this Python"
        )


def run(args: argparse.Namespace) -> int:
    """Run ``nst krita``; returns the exit code. Raises CliError."""
    try:
        if args.action == "package":
            return _package(args)
        if args.kritarc is not None and args.resources is None:
            raise CliError("--kritarc says whose settings they are only together with --resources.")
        return _install(args) if args.action == "install" else _uninstall(args)
    except SetupError as error:
        raise CliError(str(error), error.hint) from error


def _package(args: argparse.Namespace) -> int:
    platforms = list(wheels.PLATFORMS) if args.platform == "all" else [args.platform]
    output = Path("dist") / f"nst_krita-{__version__}-{args.platform}.zip"
    if args.output is not None:
        output = args.output
        _check_zip(output)
    pyzmq = package.find_pyzmq(platforms, offline=args.offline)
    # Where pyzmq could not be fetched, uv cannot be either.
    with_uv = args.platform != "all" and not pyzmq.note
    server = server_wheel.server_files(args.platform if with_uv else None)
    try:
        package.write_zip(package.plugin_files(pyzmq, server), output)
    except OSError as error:
        raise CliError(f"--output: {output} cannot be written: {error.strerror}.", code=1) from error
    print(f"wrote {output} ({output.stat().st_size / 1e6:.1f} MB)")
    print(pyzmq.note or "It serves:")
    print(pyzmq.served)
    print(_WITH_UV if with_uv else _WITHOUT_UV)
    print("In Krita: Tools ▸ Scripts ▸ Import Python Plugin from File…")
    return 0


def _check_zip(output: Path) -> None:
    """Raise CliError where no zip that Krita imports can be written to ``output``."""
    if not output.name:
        raise CliError("--output: no file is named.", "Name one that ends in .zip.")
    if output.suffix.lower() != ".zip":
        raise CliError(f"--output: {str(output)!r} does not end in .zip.", "Krita imports nothing else.")
    if output.exists() and not output.is_file():
        raise CliError(f"--output: {output} is there and is not a file.", "Name another one.")


def _install(args: argparse.Namespace) -> int:
    profiles = find_profiles(args.resources, args.kritarc)
    if len(profiles) > 1:
        print(f"Found {len(profiles)} Kritas, installing in each: {', '.join(p.name for p in profiles)}.")
    this = wheels.this_platform()
    known = this in wheels.PLATFORMS
    pyzmq = package.find_pyzmq([this] if known else [], offline=args.offline or not known)
    for line in install.install(profiles, pyzmq, link=args.link):
        print(line)
    if pyzmq.note:
        print(pyzmq.note)
        print(pyzmq.served)
    print(_NEXT)
    if any(profile.name == "Flatpak" for profile in profiles):
        print(_NEXT_FLATPAK)
    return 0


def _uninstall(args: argparse.Namespace) -> int:
    found: list[Profile] = []
    # Even with no Krita left, the plugin may still lie where it was installed.
    with contextlib.suppress(SetupError):
        found = find_profiles(args.resources, args.kritarc)
    lines = install.uninstall(found, everywhere=args.resources is None, purge=args.purge)
    print("\n".join(lines) if lines else "The plugin is not installed; nothing was changed.")
    server = running_server()
    if server is not None:
        print(f"The server (pid {server.pid}) still runs; end it with: nst serve --stop")
    return 0
