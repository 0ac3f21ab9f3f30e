"""VGGish: a 2-D network over log-mel frames, trained on AudioSet (Hershey et al. 2017)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from retimbre.networks import weights
from retimbre.networks.registry import CHOSEN_LAYERS, Layers, NetworkSpec
from retimbre.settings import Settings
from retimbre.sound.mel import htk_mel

RATE = 16_000
_WINDOW, _HOP, _N_FFT, _N_BANDS = 400, 160, 512, 64
_PATCH = 96  # frames of an embedding
_LAYERS = {"conv1": 1, "conv2": 4, "conv3_1": 7, "conv3_2": 9, "conv4_1": 12, "conv4_2": 14}
"""Index in ``features`` of the ReLU after each convolution, by its name."""


class VGGish(nn.Module):
    """The network of Hershey et al., with the names and the layout of its port to torch.

    Being fully convolutional up to the last pool, it reads a spectrogram of any length at once. Layers are
    (C', bands x frames): a Gram matrix measures which channels are active together, anywhere in it.

    Args:
        embedding: Whether to have the fully connected part, which only :meth:`embed` needs: 270 MB.
        patches: Whether to take patches of 96 frames, 0.96 s, each by itself as in training, and not the clip
            as a whole. Every patch then has zero padding around it.

    >>> net = VGGish(embedding=False)
    >>> {name: tuple(layer.shape) for name, layer in net(torch.rand(1, 16000)).items()}
    {'conv1': (64, 6272), 'conv2': (128, 1568), 'conv3_1': (256, 384), 'conv3_2': (256, 384),
    'conv4_1': (512, 96), 'conv4_2': (512, 96)}
    """

    sample_rate = RATE

    def __init__(self, *, embedding: bool = True, patches: bool = False) -> None:
        super().__init__()
        self.patches = patches
        stages: list[nn.Module] = []
        channels = 1
        for width in (64, 0, 128, 0, 256, 256, 0, 512, 512, 0):
            if width:
                stages += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            else:
                stages.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*stages)
        sizes = ((12288, 4096), (4096, 4096), (4096, 128))
        connected = (part for n in sizes for part in (nn.Linear(*n), nn.ReLU()))
        self.embeddings = nn.Sequential(*(connected if embedding else ()))
        with torch.device("cpu"):  # the bank has numbers even where the layers are on the meta device
            self.register_buffer("_mel", htk_mel(_N_BANDS, _N_FFT, RATE, 125, 7500), persistent=False)
        self.content_layers: Mapping[str, float] = {"conv3_2": 1.0}
        self.style_layers: Mapping[str, float] = dict.fromkeys(("conv1", "conv2", "conv3_2", "conv4_2"), 0.25)

    def log_mel(self, samples: Tensor) -> Tensor:
        """Compute log-mel frames (C, T, 64) of samples (C, N) at 16 kHz, T = 1 + (N - 400) // 160.

        Magnitudes of periodic Hann windows of 400 samples, not centred; ``ln(mel + 0.01)``.
        """
        window = torch.hann_window(_WINDOW, dtype=samples.dtype, device=samples.device)
        frames = samples.unfold(-1, _WINDOW, _HOP) * window
        bands: Tensor = torch.fft.rfft(frames, _N_FFT).abs() @ self._mel.to(samples.dtype)
        return (bands + 0.01).log()

    def forward(self, samples: Tensor) -> Layers:
        """Map samples (C, N) at 16 kHz to the layers up to the last content or style layer."""
        last = max(_LAYERS[name] for name in (*self.content_layers, *self.style_layers))
        frames, found = self.log_mel(samples), dict[str, Tensor]()
        x = (_patches(frames) if self.patches else frames)[:, None]
        names = {at: name for name, at in _LAYERS.items()}
        for at in range(last + 1):
            x = self.features[at](x)
            if at in names:
                found[names[at]] = x.transpose(0, 1).flatten(1)
        return found

    def embed(self, samples: Tensor) -> Tensor:
        """Compute one embedding (128,) for each 0.96 s of samples (N,) at 16 kHz: (P, 128)."""
        frames = self.log_mel(samples[None])[0]
        patches = frames[: len(frames) // _PATCH * _PATCH].view(-1, 1, _PATCH, _N_BANDS)
        x: Tensor = self.embeddings(self.features(patches).permute(0, 2, 3, 1).flatten(1))
        return x


def _patches(frames: Tensor) -> Tensor:
    """Cut frames (C, T, 64) into patches, (P C, 96, 64), one after the other.

    The last patch is the last 96 frames, so some frames are in two patches. All input is then sound of the
    clip; zeros, silence or a mirror image would enter the statistics as sound of their own. Fewer frames than
    96 are one shorter patch.

    >>> [len(_patches(torch.zeros(1, n, 64))) for n in (95, 96, 97, 192)]
    [1, 1, 2, 2]
    """
    n_frames = frames.shape[1]
    starts = [*range(0, n_frames - _PATCH, _PATCH), max(0, n_frames - _PATCH)]
    return torch.cat([frames[:, start : start + _PATCH] for start in starts])


def _build(settings: Settings, n_bins: int) -> VGGish:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = VGGish(embedding=False, patches=settings.patches)
        for layer in network.features:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    if not settings.random_weights:
        weights.load("vggish", network)
    return network


SPEC = NetworkSpec(
    summary="2-D convolutions and pooling over log-mel frames, trained on AudioSet (Hershey et al. 2017)",
    front_end="16 kHz; 64 mel bands of magnitudes, 125 to 7500 Hz, 25 ms every 10 ms; ln(x + 0.01)",
    layers=tuple(_LAYERS),
    needs="weights: retimbre weights fetch vggish (288 MB); or --random-weights",
    build=_build,
    sample_rate=RATE,
    settings=("random_weights", "patches", *CHOSEN_LAYERS),
    trained=VGGish,
)
