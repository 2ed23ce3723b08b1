"""Prints what a prompt, a class and an image cost, as ratios within one run.

    python3 dev.py bench                    all
    python3 dev.py bench second_prompt      one

Nothing here asserts: figures differ between machines, ratios less so.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import slicerio
import torch
from batch import batch
from panel import panel
from segments import segments
from terms import terms
from training import training
from training_data import training_data

from SATSegmentLib.imaging import Volume
from SATSegmentLib.inference import FeatureStore, Predictor
from SATSegmentLib.inference.feature_store import WindowFeatures
from SATSegmentLib.models import find_model
from SATSegmentLib.models.loading import load
from SATSegmentLib.network import SAT, SATConfig


def _memory() -> int:
    """Bytes of RAM this process holds, but for pages of files, where the system tells them apart."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("RssAnon:"))
        return int(line.split()[1]) * 1024
    return psutil.Process().memory_info().rss


class _Peak:
    """The most memory this process held above what it held at the start."""

    def __enter__(self):
        self._start = _memory()
        self.bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self):
        while not self._stop.wait(0.02):
            self.bytes = max(self.bytes, _memory() - self._start)

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def _seconds(function, *arguments, **keywords) -> float:
    start = time.perf_counter()
    function(*arguments, **keywords)
    return time.perf_counter() - start


def _ct(shape, spacing) -> Volume:
    """A noisy ball of tissue in air that fills the volume."""
    random = np.random.default_rng(0)
    axes = [np.linspace(-1, 1, n, dtype=np.float32) for n in shape]
    distance = axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2
    array = np.where(distance < 1, 40, -1000) + random.normal(0, 30, shape)
    return Volume(array.astype(np.int16), np.diag([*spacing, 1.0]), "ct")


def _first_and_second(name: str, network: SAT, volume: Volume, queries: torch.Tensor) -> None:
    """Two queries (2, text width) on one volume, one after the other."""
    predictor = Predictor(network, device="cpu")
    encode = _seconds(predictor.set_image, volume)
    first = _seconds(predictor.predict, queries=queries[:1])
    second = _seconds(predictor.predict, queries=queries[1:])
    (result,) = predictor.predict(queries=queries[1:])
    print(
        f"{name}: first term {encode + first:.2f} s, second {second:.2f} s with its way back to {volume.shape} voxels "
        f"(its mask holds {result.region.voxels / volume.array.size:.0%} of them): "
        f"{second / (encode + first):.1%} of the first"
    )


def second_prompt() -> None:
    """The second term of a case against the first."""
    tiny = load(find_model("sat-tiny"))
    chest = Volume.read(Path(slicerio.__file__).parent / "data" / "CTChest4.nrrd")
    _first_and_second("sat-tiny, chest CT", tiny.network, chest, tiny.prompts.encode(["right lung", "left lung"], "ct"))
    torch.manual_seed(0)
    nano = SAT(SATConfig.named("nano"))
    with torch.no_grad():
        nano.mask_embed_proj[2].bias.fill_(2)  # random weights, so that masks are not empty
    volume = _ct((288, 288, 96), (1, 1, 3))
    _first_and_second("sat-nano's size, one window", nano, volume, torch.randn(2, nano.config.text_width))


def _set_image_with_random_features(predictor: Predictor, volume: Volume) -> None:
    """`set_image` without the minutes of the U-Net."""
    config = predictor.model.config
    tokens = int(np.prod([n // config.reduction for n in config.window]))
    features = WindowFeatures(
        torch.randn(config.features[0], *config.window).half(), torch.randn(tokens, config.query_width)
    )
    predictor._encode = lambda image, missing, cancelled: ((index, features) for index in missing)
    predictor.set_image(volume)
    del predictor._encode


def memory_of_100_classes() -> None:
    """Peak RAM of 100 classes on a 350 x 300 x 110 grid, besides features and weights.

    The features are random and lie in memory-mapped files, as the U-Net's would where RAM is short.
    """
    torch.manual_seed(0)
    network = SAT(SATConfig.named("nano")).eval()
    volume = _ct((350, 300, 110), (1, 1, 3))
    predictor = Predictor(network, device="cpu", store=FeatureStore(ram=0))
    _set_image_with_random_features(predictor, volume)
    with _Peak() as peak:
        seconds = _seconds(predictor.predict, queries=torch.randn(100, network.config.text_width))
    grid = " x ".join(map(str, predictor.grid.crop_shape))
    everything = 2 * 100 * np.prod(predictor.grid.crop_shape) * 4
    print(
        f"100 classes on a {grid} grid: peak {peak.bytes / 1e9:.2f} GB of RAM besides weights and the features' "
        f"files, in {seconds:.0f} s; two float32 arrays of classes x volume would be {everything / 1e9:.1f} GB: "
        f"{peak.bytes / everything:.0%}"
    )


_ALL = (second_prompt, memory_of_100_classes, terms, segments, panel, batch, training, training_data)
BENCHMARKS = {function.__name__: function for function in _ALL}


def main() -> int:
    """Runs the benchmarks named on the command line."""
    unknown = set(sys.argv[1:]) - set(BENCHMARKS)
    if unknown:
        print(f"No benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}.", file=sys.stderr)
        return 2
    for name in sys.argv[1:] or BENCHMARKS:
        print(f"{Path(__file__).parent.name}: {name}", flush=True)
        BENCHMARKS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
