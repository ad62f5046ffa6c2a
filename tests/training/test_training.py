"""Training proper: the smallest model, for about a minute on one core, from its own recipe."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
needs_torch = pytest.mark.skipif(
    find_spec("torch") is None, reason="torch is not installed; pip install 'apportion[train]' to test the training"
)

_SCRIPT = """
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from apportion.models.card import ModelCard
from apportion.models.pocket.network import Cache, Network
from training.export import export
from training.recipes import RECIPES
from training.train import Trainer

torch.set_num_threads(1)
folder = Path(sys.argv[1])
stages = ((40, "everything"), (20, "sums"))
recipe = replace(RECIPES["pocket-30k"], name="tiny", stages=stages, quantised_steps=20, tokens_per_step=2048)
losses = Trainer(recipe, folder, libraries=1).run(until=40)
resumed = Trainer(recipe, folder, libraries=1)
assert resumed.step == 40, resumed.step
losses += resumed.run()
print("first", sum(losses[:5]) / 5, "last", sum(losses[-5:]) / 5)

export(resumed, folder)
card = ModelCard.model_validate_json((folder / "tiny.json").read_text())
with np.load(folder / "tiny.npz") as arrays:
    network = Network(dict(arrays))
tokens = torch.randint(0, 100, (1, 40), generator=torch.Generator().manual_seed(3))
with torch.no_grad():
    trained = resumed.network(tokens, rounded=True)[0, -1].numpy()
shipped = network.advance(Cache(network.shape, 1), 0, tokens.numpy(), np.array([0]))[0]
assert card.parameters == sum(each.numel() for each in resumed.network.parameters())
print("card", card.name, card.weight, "difference", float(np.abs(trained - shipped).max()))
"""


@needs_torch
def test_the_loss_falls_a_stopped_run_goes_on_and_the_export_computes_the_same(tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(tmp_path)], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr

    words = done.stdout.split()
    first, last = float(words[words.index("first") + 1]), float(words[words.index("last") + 1])
    assert last < 0.7 * first
    assert "card tiny 0." in done.stdout
    # The rounding is the same; a tie rounded the other way moves a logit a little.
    assert float(words[words.index("difference") + 1]) < 0.6


def test_without_torch_the_command_says_what_to_install() -> None:
    blocker = "import sys; sys.modules['torch'] = None; from training.__main__ import main; sys.exit(main([]))"
    done = subprocess.run([sys.executable, "-c", blocker], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 2
    assert "install the extra" in done.stderr
