"""What ``nst doctor`` says of terminals and PyTorch."""

from __future__ import annotations

from pathlib import Path

import pytest

from nst_server import device
from nst_server.cli import doctor


@pytest.mark.parametrize(
    ("variables", "activated"),
    [
        ({"PATH": "/bin"}, False),
        ({"PATH": "/p/.venv/bin:/bin", "VIRTUAL_ENV": "/p/.venv"}, True),
        ({"PATH": "/p/.venv/bin:/bin", "VIRTUAL_ENV": "/p/.venv", "UV_RUN_RECURSION_DEPTH": "1"}, False),
        (
            {"PATH": "/p/.venv/bin:/p/.venv/bin", "VIRTUAL_ENV": "/p/.venv", "UV_RUN_RECURSION_DEPTH": "1"},
            True,
        ),
    ],
)
def test_doctor_tells_an_activated_environment_from_uv_run(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], activated: bool
) -> None:
    for name in ("VIRTUAL_ENV", "UV_RUN_RECURSION_DEPTH"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert [advice.endswith("deactivate") for _, _, advice in doctor._terminal()] == [True] * activated


def test_doctor_names_a_command_for_another_pytorch_that_uv_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(device, "choose_device", lambda _name: device.torch.device("cpu"))
    smi = tmp_path / "nvidia-smi"
    smi.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    _, text, advice = list(doctor._devices())[-1]
    assert f"PyTorch {device.torch.__version__} can use, although nvidia-smi is here" in text
    assert ".uv/bin/uv pip install --torch-backend=auto --reinstall torch torchvision\n" in advice
    # Plain `uv run` would put the locked build back.
    assert ".uv/bin/uv run --no-sync nst\n" in advice
