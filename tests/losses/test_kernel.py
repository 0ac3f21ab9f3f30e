"""The closed form against wide random networks, finite differences, and where it could break."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from retimbre.losses.kernel import KernelStyle
from retimbre.losses.terms import NetworkStyle, Style
from retimbre.networks.shallow import Shallow

F, T, U, K = 30, 40, 50, 5


def _rand(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def _clips() -> tuple[Tensor, Style, Tensor]:
    """A content, a style of two clips, and a point that is neither."""
    return (
        _rand(F, T),
        Style([(_rand(F, U, seed=1) ** 3, 0.7), (_rand(F, 20, seed=2), 0.3)]),
        _rand(F, T, seed=3),
    )


def _naive_kernel(x: Tensor, y: Tensor, layers: int, taps: int) -> Tensor:
    """The kernel of the docstring, one entry at a time from explicit patches."""
    half = taps // 2

    def products(g: Tensor, scale: float) -> Tensor:
        padded = functional.pad(g, (half, half, half, half))
        return scale * sum(
            (padded[k : k + g.shape[0], k : k + g.shape[1]] for k in range(taps)), torch.zeros_like(g)
        )

    xx, yy, xy = x.T @ x, y.T @ y, x.T @ y
    for layer in range(layers):
        scale = 1 / (taps * (len(x) if layer == 0 else 1))
        xx, yy, xy = products(xx, scale), products(yy, scale), products(xy, scale)
        a, b = xx.diagonal(), yy.diagonal()

        def arc(q: Tensor, p: Tensor, r: Tensor) -> Tensor:
            size = torch.outer(p, r).sqrt()
            theta = torch.acos((q / size).clamp(-1, 1))
            return size / math.pi * (theta.sin() + (math.pi - theta) * theta.cos())

        xx, yy, xy = arc(xx, a, a), arc(yy, b, b), arc(xy, a, b)
    return xy


@pytest.mark.parametrize(("layers", "taps"), [(1, 1), (1, 5), (2, 11), (3, 3)])
def test_terms_are_those_of_the_kernel_written_out(layers: int, taps: int) -> None:
    content, style, x = _clips()
    got = KernelStyle(style, layers=layers, taps=taps).terms(content)(x)
    of_style = 0.0
    for layer in range(1, layers + 1):

        def mean(a: Tensor, b: Tensor, layer: int = layer) -> float:
            return float(_naive_kernel(a, b, layer, taps).square().mean())

        scale = sum(p * q * mean(s, r) for s, p in style.clips for r, q in style.clips)
        cross = sum(p * mean(x, s) for s, p in style.clips)
        of_style += (mean(x, x) - 2 * cross + scale) / scale / layers
    own, other = (_naive_kernel(v, v, layers, taps).diagonal() for v in (x, content))
    both = _naive_kernel(x, content, layers, taps).diagonal()
    assert got.style.item() == pytest.approx(of_style, rel=1e-9)
    assert got.content.item() == pytest.approx(
        float((own + other - 2 * both).mean() / other.mean()), rel=1e-9
    )


@pytest.mark.parametrize(("layers", "taps"), [(1, 1), (1, 3), (2, 1), (2, 5), (3, 3), (2, 31)])
def test_gradients_match_finite_differences(layers: int, taps: int) -> None:
    content, x = _rand(6, 9), _rand(6, 9, seed=3).requires_grad_()
    style = Style([(_rand(6, 7, seed=1), 0.7), (_rand(6, 5, seed=2), 0.3)])
    terms = KernelStyle(style, layers=layers, taps=taps).terms(content)  # 31 taps: more than there are frames
    assert torch.autograd.gradcheck(lambda v: tuple(terms(v)), (x,))


def test_gradient_is_right_at_the_content_itself_where_frames_meet_themselves() -> None:
    content = _rand(6, 9)
    terms = KernelStyle(Style([(_rand(6, 7, seed=1), 1.0)]), layers=2, taps=3).terms(content)
    x = content.clone().requires_grad_()
    (of_content,) = torch.autograd.grad(terms(x).content, x)
    assert float(of_content.abs().max()) < 1e-6  # a minimum
    assert torch.autograd.gradcheck(lambda v: terms(v).style, (x,))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_finite_at_silence_identical_frames_and_in_padding(dtype: torch.dtype) -> None:
    content, style, _ = _clips()
    style = Style([(clip.to(dtype), share) for clip, share in style.clips])
    terms = KernelStyle(style, layers=2, taps=K).terms(content.to(dtype))
    half_silent = content.to(dtype).clone()
    half_silent[:, 10:30] = 0
    same = content[:, :1].expand(F, T).to(dtype).clone()
    for point in (torch.zeros(F, T, dtype=dtype), half_silent, same):
        x = point.requires_grad_()
        of_content, of_style = terms(x)
        (gradient,) = torch.autograd.grad(of_content + of_style, x)
        assert bool(gradient.isfinite().all())
        assert math.isfinite(of_content.item())
        assert math.isfinite(of_style.item())
    zero = terms(torch.zeros(F, T, dtype=dtype))
    assert zero.content.item() == pytest.approx(1, rel=1e-5)
    assert zero.style.item() == pytest.approx(1, rel=1e-5)


def test_content_that_is_silent_in_part_does_not_break() -> None:
    content, style, x = _clips()
    content[:, :25] = 0
    x.requires_grad_()
    of_content, of_style = KernelStyle(style, layers=2, taps=K).terms(content)(x)
    (gradient,) = torch.autograd.grad(of_content + of_style, x)
    assert bool(gradient.isfinite().all())


def _distance(filters: int, seed: int, kernel: Tensor) -> float:
    """How far a random network's terms are from the kernel's, relative."""
    content, style, x = _clips()
    net = Shallow(
        F, layers=2, filters=filters, taps=K, generator=torch.Generator().manual_seed(seed)
    ).double()
    got = torch.stack([*NetworkStyle(net, style).terms(content)(x)])
    return float(((got - kernel) / kernel).square().mean())


def test_random_networks_approach_the_kernel_as_one_over_the_root_of_their_filters() -> None:
    content, style, x = _clips()
    kernel = torch.stack([*KernelStyle(style, layers=2, taps=K).terms(content)(x)])
    widths = torch.tensor([64.0, 256.0, 1024.0, 2048.0])
    errors = torch.tensor(
        [sum(_distance(int(w), seed, kernel) for seed in range(8)) / 8 for w in widths]
    ).sqrt()
    slope = float(torch.linalg.lstsq(torch.stack([widths.log(), torch.ones(4)], 1), errors.log()).solution[0])
    assert -0.65 < slope < -0.35
    assert float(errors[-1]) < 0.05


def test_gram_distance_of_a_wide_network_has_the_kernels_gradient() -> None:
    content, style, x = _clips()
    x.requires_grad_()
    kernel = KernelStyle(style, layers=2, taps=K).terms(content)
    net = Shallow(F, layers=2, filters=6144, taps=K, generator=torch.Generator().manual_seed(0))
    single = Style([(clip.float(), share) for clip, share in style.clips])  # 150 million weights
    for a, b in zip(kernel(x), NetworkStyle(net, single).terms(content.float())(x.float()), strict=True):
        (g,), (h,) = (
            torch.autograd.grad(a, x, retain_graph=True),
            torch.autograd.grad(b, x, retain_graph=True),
        )
        assert float(functional.cosine_similarity(g.flatten(), h.flatten(), dim=0)) > 0.98


def test_a_share_of_one_is_the_single_style_exactly() -> None:
    content, _, x = _clips()
    one = _rand(F, U, seed=1)
    single = KernelStyle(Style([(one, 1.0)]), layers=2, taps=K).terms(content)(x)
    twice = KernelStyle(Style([(one, 0.5), (one, 0.5)]), layers=2, taps=K).terms(content)(x)
    assert twice.style.item() == pytest.approx(single.style.item(), rel=1e-9)


def test_style_is_zero_at_the_style_and_content_at_the_content() -> None:
    clip = _rand(F, T)
    at_home = KernelStyle(Style([(clip, 1.0)]), layers=2, taps=K).terms(clip)(clip)
    assert at_home.style.item() == pytest.approx(0, abs=1e-12)
    assert at_home.content.item() == pytest.approx(0, abs=1e-12)
