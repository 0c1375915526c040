"""How much nearer the denoised view comes to a micrograph without noise, and what it costs; pictures of the real sets.

    python benchmarks/denoising.py [--micrographs 40] [--picture FILE]

Simulated micrographs that the shipped denoiser was not trained on, each with and without noise: correlation with the
latter, one particle diameter off the edges, of the noisy one, of the window's low-pass, of the best of many Gaussians
(chosen by the truth), and of the denoised. The seconds are those of the window's two views, side by side.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy import ndimage
from study import REAL, SHARED, project_of

from cryoal.io.micrographs import read_micrograph
from cryoal.learner.denoised_view import DENOISING
from cryoal.model.denoising import load_denoiser, without_noise
from cryoal.report.plots import save
from cryoal.simulation.denoising import denoising_pair
from napari_plugin.denoising import denoised
from napari_plugin.images import contrast_limits, display_image

SEED = 5  # the shipped one was trained on those of seed 1
WINDOW_DIAMETERS = 0.06
GAUSSIANS_DIAMETERS = (0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.13, 0.17)
SHOWN_DIAMETERS = 13


def correlations(network, index):
    pair, size = denoising_pair(SEED, index), DENOISING.pixels_per_diameter
    inner = (slice(size, -size),) * 2

    def nearness(image):
        return np.corrcoef(image[inner].ravel(), pair.clean[inner].ravel())[0, 1]

    def smooth(diameters):
        return nearness(ndimage.gaussian_filter(pair.noisy, diameters * size))

    best = max(smooth(diameters) for diameters in GAUSSIANS_DIAMETERS)
    return nearness(pair.noisy), smooth(WINDOW_DIAMETERS), best, nearness(without_noise(network, pair.noisy))


def views(name, out):
    """A real micrograph's two views, each in its seconds."""
    folder, diameter_angstrom = project_of(name, out)
    micrograph = read_micrograph(sorted(folder.rglob("*.mrc"))[0])
    diameter_px = diameter_angstrom / micrograph.pixel_size_angstrom
    denoised(micrograph.pixels, diameter_px, particles_dark=True)  # loads the network
    times = [time.perf_counter()]
    low_pass = display_image(micrograph.pixels, diameter_px)
    times.append(time.perf_counter())
    without = denoised(micrograph.pixels, diameter_px, particles_dark=True)
    times.append(time.perf_counter())
    return micrograph.pixels.shape, diameter_px / low_pass.bin, (low_pass.low_pass.pixels, without), np.diff(times)


def picture(all_views, path):
    """Low-passed and denoised, the middle of a micrograph of each set."""
    figure = Figure((10, 5.2 * len(all_views)), layout="constrained")
    for line, (name, (_, diameter_px, shown, _)) in zip(
        figure.subplots(len(all_views), 2, squeeze=False), all_views.items(), strict=True
    ):
        for axes, title, one in zip(line, ("low-pass", "denoised"), shown, strict=True):
            half = round(SHOWN_DIAMETERS * diameter_px / 2)
            y, x = (side // 2 for side in one.shape)
            crop = one[max(y - half, 0) : y + half, max(x - half, 0) : x + half]
            low, high = contrast_limits(one, 0.2)
            axes.imshow(crop, cmap="gray", vmin=low, vmax=high)
            axes.set(title=f"{name}, {title}", xticks=[], yticks=[])
    save(figure, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--micrographs", type=int, default=40)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--out", type=Path, default=Path("build/denoising"))
    options = parser.parse_args()
    network = load_denoiser()
    found = np.array([correlations(network, index) for index in range(options.micrographs)])
    print("| correlation with the noiseless | as it is | low-pass of the window | best Gaussian | denoised |")
    print("|---|---|---|---|---|")
    for title, values in (("mean", found.mean(axis=0)), ("median", np.median(found, axis=0))):
        print(f"| {title} | {' | '.join(f'{value:.3f}' for value in values)} |")
    print(f"better than the best Gaussian on {(found[:, 3] > found[:, 2]).sum()} of {len(found)}")
    if not SHARED.is_dir():
        print(f"the real sets: left out, {SHARED} is not there")
        return
    all_views = {name: views(name, options.out.absolute()) for name in REAL}
    for name, (shape, _, _, (low_pass_s, denoised_s)) in all_views.items():
        print(f"{name}, {shape[1]}×{shape[0]}: low-pass {low_pass_s:.2f} s, denoised {denoised_s:.2f} s")
    if options.picture:
        picture(all_views, options.picture)


if __name__ == "__main__":
    main()
