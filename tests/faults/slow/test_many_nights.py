"""Incremental equals rebuild: many random deliveries, and the synthetic clinic."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flows import scene as scenes
from tests.flows.test_incremental import agrees, deliveries
from transforms.synthetic.clinic import clinic


@pytest.mark.parametrize("seed", range(100, 130))
def test_random_deliveries(tmp_path: Path, seed: int) -> None:
    agrees(scenes.scene(tmp_path / "home"), deliveries(seed))


def test_the_synthetic_clinic(tmp_path: Path) -> None:
    scene = scenes.scene(tmp_path / "home")
    scene.set('[site]\ntime_zone = "Europe/Rome"\n')
    digests = {}
    for night in clinic(patients=120).nights:
        for name, content in night.files.items():
            scene.drop(name, content)
        scene.night(night.as_of)
        digests[night.as_of] = scene.digest()

    scene.night(night.as_of, rebuild=True)

    assert scene.digest() == digests[night.as_of]
    for past, digest in digests.items():
        assert scene.run("replay", str(past), "--json").json["digest_now"] == digest
    assert scene.run("verify").code == 0
