"""Content and style losses against the naive reference: plain conv1d, F x F Gram matrices."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from retimbre.errors import InputError
from retimbre.losses.gram import gram, gram_product
from retimbre.losses.modules import ContentLoss, StyleLoss
from retimbre.losses.terms import NetworkStyle, Objective, Style
from retimbre.networks.shallow import Shallow


def _features(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_gram_is_the_mean_of_outer_products() -> None:
    h = _features(4, 7)
    expected = sum(torch.outer(h[:, t], h[:, t]) for t in range(7)) / 7
    torch.testing.assert_close(gram(h), expected)


def test_gram_ignores_the_order_and_the_number_of_frames() -> None:
    h = _features(4, 30)
    torch.testing.assert_close(gram(h[:, torch.randperm(30)]), gram(h))
    torch.testing.assert_close(gram(h.repeat(1, 3)), gram(h))


def test_gram_product_is_that_of_the_matrices() -> None:
    a, b = _features(5, 8), _features(5, 13, seed=1)
    torch.testing.assert_close(gram_product(a, b), (gram(a) * gram(b)).sum())


@pytest.mark.parametrize(("n_features", "n_frames"), [(40, 9), (6, 50), (20, 10)])
def test_style_loss_is_the_same_in_both_forms_value_and_gradient(n_features: int, n_frames: int) -> None:
    target = _features(n_features, 11)
    x = _features(n_features, n_frames, seed=1).requires_grad_()
    ours = StyleLoss(target)(x)
    naive = (gram(x) - gram(target)).square().sum() / gram(target).square().sum()
    torch.testing.assert_close(ours, naive, rtol=1e-10, atol=0)
    (g,), (h,) = torch.autograd.grad(ours, x), torch.autograd.grad(naive, x)
    torch.testing.assert_close(g, h, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("n_features", [30, 4])  # one for each form
def test_style_loss_gradient_matches_finite_differences(n_features: int) -> None:
    loss = StyleLoss(_features(n_features, 6))
    assert torch.autograd.gradcheck(loss, (_features(n_features, 5, seed=1).requires_grad_(),))


def test_content_loss_gradient_matches_finite_differences() -> None:
    loss = ContentLoss(_features(4, 5))
    assert torch.autograd.gradcheck(loss, (_features(4, 5, seed=1).requires_grad_(),))


def test_losses_are_zero_at_the_target_and_one_at_silence() -> None:
    h = _features(30, 8)
    for loss in (ContentLoss(h), StyleLoss(h)):
        assert float(loss(h)) == pytest.approx(0, abs=1e-12)
        assert float(loss(torch.zeros_like(h))) == pytest.approx(1)
    assert float(StyleLoss(h)(h * 2**0.5)) == pytest.approx(1)  # twice the power: G - 2 G


def test_losses_move_and_convert_with_module_to() -> None:
    loss = StyleLoss(_features(4, 9)).to(torch.float32)
    assert loss(torch.rand(4, 9)).dtype == torch.float32


def test_targets_are_checked() -> None:
    for loss in (ContentLoss, StyleLoss):
        with pytest.raises(InputError, match="zero everywhere"):
            loss(torch.zeros(3, 4))
        with pytest.raises(InputError, match="expected features"):
            loss(torch.rand(3))
    with pytest.raises(InputError, match=r"expected the target's, \(3, 4\)"):
        ContentLoss(torch.rand(3, 4))(torch.rand(3, 5))
    with pytest.raises(InputError, match=r"expected \(3, frames\)"):
        StyleLoss(torch.rand(3, 4))(torch.rand(4, 4))


def _naive_terms(net: Shallow, x: Tensor, content: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
    """Write the objective out: two plain convolutions, F x F Gram matrices."""

    def layers(s: Tensor) -> list[Tensor]:
        first, second = (w.reshape(len(w), 11, -1).transpose(1, 2) for w in net.buffers())
        h1 = functional.conv1d(s[None], first, padding=5).clamp(min=0)
        return [h1[0], functional.conv1d(h1, second, padding=5).clamp(min=0)[0]]

    hx, hc, hs = layers(x), layers(content), layers(style)
    of_content = (hx[1] - hc[1]).square().sum() / hc[1].square().sum()
    of_style = torch.zeros((), dtype=x.dtype)
    for a, b in zip(hx, hs, strict=True):
        ga, gb = a @ a.T / a.shape[1], b @ b.T / b.shape[1]
        of_style = of_style + (ga - gb).square().sum() / gb.square().sum() / 2
    return of_content, of_style


@pytest.mark.parametrize("filters", [300, 16])  # T x T products, F x F matrices
def test_objective_matches_the_naive_reference_in_loss_and_gradient(filters: int) -> None:
    net = Shallow(65, layers=2, filters=filters, taps=11, generator=torch.Generator().manual_seed(1)).double()
    content, style = _features(65, 40), _features(65, 55, seed=1)
    objective = Objective(NetworkStyle(net, Style([(style, 1.0)])).terms(content), 0.3)
    x = _features(65, 40, seed=2).requires_grad_()
    ours = objective.total(objective.terms(x))
    of_content, of_style = _naive_terms(net, x, content, style)
    naive = 0.3 * of_content + of_style
    assert abs(ours.item() - naive.item()) < 1e-4 * naive.item()
    (g,), (h,) = torch.autograd.grad(ours, x), torch.autograd.grad(naive, x)
    assert float((g - h).norm() / h.norm()) < 1e-4


def test_objective_gradient_matches_finite_differences() -> None:
    net = Shallow(7, layers=2, filters=40, taps=3, generator=torch.Generator().manual_seed(0)).double()
    objective = Objective(NetworkStyle(net, Style([(_features(7, 8, seed=1), 1.0)])).terms(_features(7, 6)))
    x = _features(7, 6, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: objective.total(objective.terms(v)), (x,))


def test_objective_is_finite_at_silence() -> None:
    net = Shallow(7, layers=2, filters=40, taps=3, generator=torch.Generator().manual_seed(0)).double()
    objective = Objective(NetworkStyle(net, Style([(_features(7, 8, seed=1), 1.0)])).terms(_features(7, 6)))
    x = torch.zeros(7, 6, dtype=torch.float64, requires_grad=True)
    terms = objective.terms(x)
    (g,) = torch.autograd.grad(objective.total(terms), x)
    assert terms.content.item() == pytest.approx(1)
    assert terms.style.item() == pytest.approx(1)
    assert bool(g.isfinite().all())


def test_balance_weighs_the_terms_by_their_own_scale() -> None:
    net = Shallow(17, layers=2, filters=64, taps=3, generator=torch.Generator().manual_seed(0)).double()
    content, style = _features(17, 30), 3 * _features(17, 12, seed=1)
    mix = Style([(style, 1.0)])
    objective = Objective(NetworkStyle(net, mix).terms(content))
    gain = objective.terms(content).style
    loss = objective.terms(mix.frames(30)).content
    for strength in (0.25, 0.5, 0.75):
        objective.balance(strength, content, mix)
        odds = (1 - strength) / strength
        assert objective.content_weight == pytest.approx(float(gain / loss) * odds)
    objective.balance(1, content, mix)
    assert objective.content_weight == 0


def test_frames_of_a_style_are_cut_and_repeated() -> None:
    mix = Style([(torch.arange(6.0).reshape(2, 3), 0.5), (torch.full((2, 1), 9.0), 0.5)])
    assert mix.frames(2).tolist() == [[0, 1], [3, 4]]
    assert mix.frames(7)[0].tolist() == [0, 1, 2, 9, 0, 1, 2]


def test_shares_mix_the_gram_matrices_whatever_the_lengths() -> None:
    a, b, x = _features(5, 8), _features(5, 30, seed=1), _features(5, 12, seed=2)
    weights = torch.cat([torch.full((8,), 0.7 / 8), torch.full((30,), 0.3 / 30)]).double()
    mixed = 0.7 * gram(a) + 0.3 * gram(b)
    expected = (gram(x) - mixed).square().sum() / mixed.square().sum()
    torch.testing.assert_close(StyleLoss(torch.cat([a, b], dim=1), weights)(x), expected)
