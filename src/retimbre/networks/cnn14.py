"""CNN14: a 2-D network over log-mel frames, trained on AudioSet (Kong et al. 2020, PANNs)."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from retimbre.networks import weights
from retimbre.networks.registry import CHOSEN_LAYERS, Layers, NetworkSpec
from retimbre.settings import Settings
from retimbre.sound.mel import slaney_mel

RATE = 32_000
_N_FFT, _HOP, _N_BANDS = 1024, 320, 64
_WIDTHS = (64, 128, 256, 512, 1024, 2048)
_LAYERS = tuple(f"conv{block}_{n}" for block in range(1, 7) for n in (1, 2))


class _ConvolutionBlock(nn.Module):
    """Two 3x3 convolutions without bias, each with batch norm and ReLU; gives the output of both."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(n_out), nn.BatchNorm2d(n_out)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first = self.bn1(self.conv1(x)).relu()
        return first, self.bn2(self.conv2(first)).relu()


class Tags(NamedTuple):
    """Probabilities of AudioSet's 527 classes, (C, 527), and the embedding, (C, 2048)."""

    probabilities: Tensor
    embedding: Tensor


class CNN14(nn.Module):
    """The network of Kong et al., with the names of their state dict; always in evaluation mode.

    Layers are (C', bands x frames), after each ReLU.

    >>> net = CNN14()
    >>> net.style_layers = {"conv2_2": 1.0}; net.content_layers = {"conv1_1": 1.0}
    >>> {name: tuple(layer.shape) for name, layer in net(torch.rand(1, 32000)).items()}
    {'conv1_1': (64, 6464), 'conv1_2': (64, 6464), 'conv2_1': (128, 1600), 'conv2_2': (128, 1600)}
    """

    sample_rate = RATE

    def __init__(self) -> None:
        super().__init__()
        self.bn0 = nn.BatchNorm2d(_N_BANDS)
        for number, (n_in, n_out) in enumerate(zip((1, *_WIDTHS), _WIDTHS, strict=False), start=1):
            self.add_module(f"conv_block{number}", _ConvolutionBlock(n_in, n_out))
        self.fc1 = nn.Linear(2048, 2048)
        self.fc_audioset = nn.Linear(2048, 527)
        with torch.device("cpu"):  # the bank has numbers even where the layers are on the meta device
            self.register_buffer("_mel", slaney_mel(_N_BANDS, _N_FFT, RATE, 50, 14_000), persistent=False)
        self.eval()
        self.content_layers: Mapping[str, float] = {"conv2_2": 1.0}
        self.style_layers: Mapping[str, float] = dict.fromkeys(
            ("conv1_2", "conv2_2", "conv3_2", "conv4_2"), 0.25
        )

    def log_mel(self, samples: Tensor) -> Tensor:
        """Compute mel bands in dB, (C, T, 64), of samples (C, N) at 32 kHz, T = 1 + N // 320.

        Power of periodic Hann windows of 1024 samples, centred, mirrored at the ends; at least -100 dB.
        """
        window = torch.hann_window(_N_FFT, dtype=samples.dtype, device=samples.device)
        bins = torch.stft(samples, _N_FFT, _HOP, window=window, pad_mode="reflect", return_complex=True)
        power = bins.real.square() + bins.imag.square()
        bands: Tensor = power.transpose(1, 2) @ self._mel.to(samples.dtype)  # type: ignore[operator]
        return 10 * bands.clamp(min=1e-10).log10()

    def _layers(self, samples: Tensor, last: str) -> Layers:
        x, found = self.bn0(self.log_mel(samples).transpose(1, 2)[..., None]), dict[str, Tensor]()
        x = x.permute(0, 3, 2, 1)  # batch norm is over the bands; then (C, 1, T, 64)
        for number in range(1, 7):
            if number > 1:
                x = functional.avg_pool2d(x, 2)
            first, x = getattr(self, f"conv_block{number}")(x)
            found[f"conv{number}_1"], found[f"conv{number}_2"] = first, x
            if last in found:
                break
        return found

    def forward(self, samples: Tensor) -> Layers:
        """Map samples (C, N) at 32 kHz to the layers up to the last content or style layer."""
        last = max((*self.content_layers, *self.style_layers), key=_LAYERS.index)
        return {name: x.transpose(0, 1).flatten(1) for name, x in self._layers(samples, last).items()}

    def tag(self, samples: Tensor) -> Tags:
        """Classify samples (C, N) at 32 kHz, at least a second, by AudioSet's tags."""
        x = self._layers(samples, _LAYERS[-1])[_LAYERS[-1]].mean(dim=3)  # over the bands
        embedding = self.fc1(x.amax(dim=2) + x.mean(dim=2)).relu()
        return Tags(self.fc_audioset(embedding).sigmoid(), embedding)


def _build(settings: Settings, n_bins: int) -> CNN14:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = CNN14()
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    # As in the trained network, whose first batch norm brings decibels to about one.
    network.bn0.running_mean.fill_(-30.0)  # type: ignore[union-attr]
    network.bn0.running_var.fill_(400.0)  # type: ignore[union-attr]
    if not settings.random_weights:
        weights.load("cnn14", network)
    return network


SPEC = NetworkSpec(
    summary="2-D convolutions and pooling over log-mel frames, trained on AudioSet (Kong et al. 2020)",
    front_end="32 kHz; 64 mel bands of power, 50 to 14 000 Hz, 32 ms every 10 ms; decibels",
    layers=_LAYERS,
    needs="weights: retimbre weights fetch cnn14 (327 MB); or --random-weights",
    build=_build,
    sample_rate=RATE,
    settings=("random_weights", *CHOSEN_LAYERS),
    trained=CNN14,
)
