import pytest
import torch
import torch.nn.functional as F

from countenance.model.generators.base import Drawn
from countenance.model.losses import reconstruction_loss, ssim


def test_ssim_is_one_for_the_same_picture_and_falls_with_blur_and_noise() -> None:
    random = torch.Generator().manual_seed(1)
    picture = F.interpolate(torch.rand((1, 3, 16, 16), generator=random) * 2 - 1, (64, 64), mode="bicubic")
    assert ssim(picture, picture).mean().item() == pytest.approx(1, abs=1e-5)
    blurred = F.avg_pool2d(picture, 9, 1, 4)
    noisy = picture + 0.3 * torch.randn(picture.shape, generator=random)
    for worse in (blurred, noisy):
        assert ssim(picture, worse).mean() < 0.8


def test_only_the_face_and_its_border_are_judged() -> None:
    clean, mask = torch.zeros(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)
    mask[:, :, 20:44, 20:44] = 1
    drawn = clean.clone()
    drawn[:, :, :8, :8] = 1
    logits = (mask * 2 - 1) * 50
    assert reconstruction_loss(Drawn(drawn, logits, torch.zeros(1)), clean, mask).item() == pytest.approx(0, abs=1e-5)
    drawn[:, :, 30:34, 30:34] = 1
    assert reconstruction_loss(Drawn(drawn, logits, torch.zeros(1)), clean, mask).item() > 0.01
