"""A diffuse stereo image: the levels and the coherence of a recording's channels, and no places in it."""

import torch
from torch import Tensor

from retimbre.sound.spectral import Window, image


class Diffuse:
    """Makes images like that of a recording, by its covariance S_f of the channels in every bin, over time.

    Unrelated noise in every channel, mixed by ``S_f^(1/2)``, has that covariance. Divided by its joint
    magnitude, as an image has to be, it would bring the levels of the channels nearer together (by a sixth
    for unrelated channels of 1 and .5); so they are set right in rounds.

    Args:
        bins: Complex bins (C, F, T) of the recording.

    >>> bins = torch.randn(2, 513, 40, dtype=torch.complex64)
    >>> Diffuse(bins).image(Window(1024, 256), 8192, torch.Generator()).shape
    torch.Size([2, 513, 33])
    """

    def __init__(self, bins: Tensor) -> None:
        covariance = torch.einsum("cft,dft->fcd", bins, bins.conj()) / bins.shape[2]
        power = covariance.diagonal(dim1=1, dim2=2).real.mean(dim=1)
        covariance = covariance / power.clamp(min=torch.finfo(power.dtype).tiny)[:, None, None]
        values, vectors = torch.linalg.eigh(covariance)
        self._root = (vectors * values.clamp(min=0).sqrt()[:, None, :]) @ vectors.mH
        self._shares = covariance.diagonal(dim1=1, dim2=2).real.clamp(min=0).T[:, :, None]

    def image(self, window: Window, n_samples: int, generator: torch.Generator) -> Tensor:
        """Give the image of ``n_samples`` of it: complex, (C, F, T), mean square one over the channels."""
        noise = torch.randn(len(self._shares), n_samples, generator=generator).to(window.device)
        directions = image(torch.einsum("fcd,dft->cft", self._root, window.stft(noise)))
        for _ in range(5 if len(directions) > 1 else 0):
            shares = directions.abs().square().mean(dim=2, keepdim=True)
            directions = directions * (self._shares / shares.clamp(min=1e-12)).sqrt()
            directions = directions / directions.abs().square().mean(dim=0).clamp(min=1e-12).sqrt()
        return directions
