"""Imports the packaged zip with the code behind Tools ▸ Scripts ▸ Import Python Plugin from File…"""

import os


def steps(probe):
    yield 0.5
    from plugin_importer.plugin_importer import PluginImporter

    resources = probe.work / "home/.local/share/krita"
    imported = PluginImporter(os.environ["NST_TEST_ZIP"], str(resources), lambda plugin: True).import_all()
    probe.record(imported=[plugin["name"] for plugin in imported])
