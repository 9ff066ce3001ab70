"""Run a probe inside a real Krita, with a private profile, on a screen of its own (Xvfb).

    from real_krita import run_probe

    @pytest.mark.krita
    def test_something():
        result = run_probe(Path("tests/real_krita/something_probe.py"), plugin=Path("krita_plugin"))
        assert result["layers"] == ["Background"]

``run_probe`` raises ``ProbeFailed``, with the end of Krita's log, when Krita crashed, hung or the probe
raised. What a probe can do is told in ``stepper.py``. Results, log and screenshots are kept in
``test-output/krita-<version>/<probe>/``.

``Profile`` is the private home; make one yourself to put files into it, or to start Krita twice in it:

    with Profile() as profile:
        (profile.outside / "style.png").write_bytes(...)   # Krita sees it as profile.inside / "style.png"
        run_probe(script, plugin=plugin, profile=profile)

Environment: ``NST_KRITA_ROOT=/folder`` starts the Krita of that root (see roots.sh; needs root rights)
instead of the machine's own. ``NST_REQUIRE_KRITA=1`` turns skipped and deselected Krita tests into
failures (see policy.py).
"""

from real_krita.harness import ProbeFailed, Profile, Result, krita_version, missing, run_probe

__all__ = ["ProbeFailed", "Profile", "Result", "krita_version", "missing", "run_probe"]
