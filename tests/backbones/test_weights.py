"""Where weights are found, in which order, and what is said when they are nowhere."""

from __future__ import annotations

import hashlib
import pickle
import socket
import threading
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from core.backbones import weights
from core.backbones.features import build
from core.backbones.weights import PACKAGED, by_position, choose_backbone, resolve
from core.errors import UnknownId, UsageError, WeightsMissing
from core.workspace import Workspace

PAPERS = "resnet18.tv_in1k"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither hub nor cache, as on a machine without a network."""
    monkeypatch.setattr(weights, "hub_reachable", lambda: False)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)


def test_the_package_carries_the_embedded_default(workspace: Workspace) -> None:
    found = resolve(PACKAGED, None, workspace)
    assert (found.source, found.mean, found.std) == ("package", (0.5,) * 3, (0.5,) * 3)
    assert found.path is not None
    assert found.sha256 == hashlib.sha256(found.path.read_bytes()).hexdigest()
    assert choose_backbone(PAPERS, workspace) == PACKAGED


def test_order_is_file_workspace_cache(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = tmp_path / "cached.safetensors"
    cached.write_bytes(b"cached")
    monkeypatch.setattr(
        "huggingface_hub.try_to_load_from_cache",
        lambda repository, file: str(cached) if repository == f"timm/{PAPERS}" else None,
    )
    assert resolve(PAPERS, None, workspace).source == "cache"
    assert choose_backbone(PAPERS, workspace) == PAPERS
    placed = workspace.weights / f"{PAPERS}.safetensors"
    placed.write_bytes(b"placed")
    found = resolve(PAPERS, None, workspace)
    assert (found.source, found.path) == ("workspace", placed)
    assert found.mean == (0.485, 0.456, 0.406)
    named = tmp_path / "named.safetensors"
    named.write_bytes(b"named")
    found = resolve(PAPERS, named, workspace)
    assert (found.source, found.sha256) == ("file", hashlib.sha256(b"named").hexdigest())


def test_the_hash_follows_a_file_that_changed(workspace: Workspace) -> None:
    placed = workspace.weights / f"{PAPERS}.safetensors"
    placed.write_bytes(b"one")
    first = resolve(PAPERS, None, workspace).sha256
    placed.write_bytes(b"three")
    assert resolve(PAPERS, None, workspace).sha256 != first


def test_missing_weights_say_which_file_from_where_and_where_to(workspace: Workspace) -> None:
    with pytest.raises(WeightsMissing) as caught:
        resolve(PAPERS, None, workspace)
    sentence = str(caught.value)
    assert "model.safetensors from huggingface.co/timm/resnet18.tv_in1k" in sentence
    assert str(workspace.weights / "resnet18.tv_in1k.safetensors") in sentence
    assert "--weights" in sentence


def test_the_hub_is_asked_only_where_allowed(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = tmp_path / "fetched.safetensors"
    fetched.write_bytes(b"fetched")
    monkeypatch.setattr(weights, "hub_reachable", lambda: True)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda repository, file: str(fetched))
    assert choose_backbone(PAPERS, workspace) == PAPERS
    assert resolve(PAPERS, None, workspace).source == "hub"
    with pytest.raises(WeightsMissing):
        resolve(PAPERS, None, workspace, allow_hub=False)


@pytest.mark.parametrize(
    ("asked", "hint"),
    [("resnet1", "Did you mean 'resnet"), ("resnet18.nowhere", "tv_in1k")],
)
def test_unknown_backbones_get_a_hint(workspace: Workspace, asked: str, hint: str) -> None:
    with pytest.raises(UnknownId, match=hint):
        resolve(asked, None, workspace)


def test_a_file_that_is_not_there(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="no such file"):
        resolve(PAPERS, Path("nowhere.safetensors"), workspace)


class _Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("harm"),)


def test_nothing_is_unpickled(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    harmful = tmp_path / "harmful.pth"
    harmful.write_bytes(pickle.dumps(_Harmful()))
    found = resolve("resnet18", harmful, workspace)
    with pytest.raises(UsageError, match=r"harmful\.pth cannot be read"):
        build("resnet18", (8, 16), found, torch.device("cpu"))
    assert not (tmp_path / "harm").exists()


def test_a_file_of_another_network_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(2, 2)}, file)
    with pytest.raises(UsageError, match="holds 1 tensors; the network has"):
        build("resnet18", (8, 16), resolve("resnet18", file, workspace), torch.device("cpu"))
    with pytest.raises(UsageError, match=r"a has shape \(2, 2\), but b has \(2, 3\)"):
        by_position({"a": torch.zeros(2, 2)}, {"b": torch.zeros(2, 3)}, "file")


class TestHubReachable:
    """The real check, on a listening and on a silent local port."""

    @pytest.fixture(autouse=True)
    def real(self, monkeypatch: pytest.MonkeyPatch, alone: None) -> None:
        monkeypatch.undo()
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "HF_HUB_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        weights.hub_reachable.cache_clear()
        yield
        weights.hub_reachable.cache_clear()

    def test_answers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = f"http://127.0.0.1:{server.getsockname()[1]}"
            monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
            assert weights.hub_reachable()
            weights.hub_reachable.cache_clear()
            monkeypatch.setenv("HF_HUB_OFFLINE", "1")
            assert not weights.hub_reachable()

    def test_a_lookup_that_hangs_is_not_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        release = threading.Event()
        monkeypatch.setattr(weights, "HUB_PATIENCE_SECONDS", 0.05)
        monkeypatch.setattr(weights, "_hub_answers", lambda: release.wait(60))
        began = time.monotonic()
        assert not weights.hub_reachable()
        assert time.monotonic() - began < 30
        release.set()
