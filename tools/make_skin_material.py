"""Make `actors/data/skin_material.npz`: photographed skin, separated into tone and detail, as one small file.

The photographs are the CC0 skin textures of MakeHuman, their head regions cut out (x 1280–2048 and y 352–1760 of
2048 × 2048), one JPEG or PNG file each; the card in `docs/actors.md` says where they come from.

    .venv/bin/python tools/make_skin_material.py folder/of/skins
"""

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from countenance.actors.actor import draw_actor
from countenance.actors.colour import to_light
from countenance.actors.head import load_head
from countenance.actors.scalp import hairline_height
from countenance.actors.skin import atlas, beard_places
from countenance.actors.skin_material import COMPANDING, MIRROR_Y, TONE_RANGE, from_photograph

OUTPUT = Path(__file__).parents[1] / "src/countenance/actors/data/skin_material.npz"
HEIGHT, WIDTH = 1408, 768
DETAILS = (
    "middleage_darkskinned_female",
    "middleage_darkskinned_male",
    "old_darkskinned_male",
    "old_lightskinned_male2",
    "middleage_lightskinned_female2",
    "young_lightskinned_female2",
    "young_lightskinned_male",
    "young_lightskinned_male2",
)
"""The other photographs share their pores with one of these."""
SPLIT_PX = 14.0
"""What varies over more than this (6.6 mm) is tone, the rest detail."""
TONE_STEP = 16
TONE_LIMIT = 0.6
BAKED = 0.85
"""How much of the brightness that all photographs share is taken for baked shading."""
PATCH_TOP_LEFT, PATCH_SIZE = (468, 478), 112
"""Rows and columns of a cheek without hair, lines or spots."""
TILE_SIZE = 256
QUALITY = 82
Array = NDArray[Any]


def regions() -> dict[str, Array]:
    """Masks 0–1 in the photographs' layout."""
    size = 2048
    places = atlas(size)
    back = cv2.invertAffineTransform(from_photograph(size))

    def placed(values: Array) -> Array:
        picture = np.zeros(size * size, np.float32)
        picture[places.texels] = values
        return np.asarray(cv2.warpAffine(picture.reshape(size, size), back, (WIDTH, HEIGHT), flags=cv2.INTER_AREA))

    points = places.points
    actor = draw_actor(0)
    # The two holes of the eyes and that of the mouth are part of the island's border here.
    island = placed(np.ones(len(points), np.float32))
    found: dict[str, Array] = {name: placed(values) for name, values in places.regions.items()}
    found["island"] = cv2.erode((island > 0.99).astype(np.float32), np.ones((9, 9)))
    above, behind = hairline_height(points, actor), (points[:, 2] < 0.035) & (points[:, 1] > 0.64)
    temple = (np.abs(points[:, 0]) > 0.060) & (points[:, 1] > 0.715) & (points[:, 2] > 0.035)
    found["bare"] = placed(((above < -0.004) & ~behind).astype(np.float32))
    found["far_from_hair"] = placed(((above < -0.022) & ~behind & ~temple).astype(np.float32))
    found["beard"] = placed(beard_places(points, places.regions["lips"]))
    return found


def smooth(values: Array, weight: Array, sigma: float) -> Array:
    """Gaussian mean over the usable pixels, and how much of the Gaussian they fill, at the values' size."""
    size = (WIDTH // 4, HEIGHT // 4)
    total = cv2.GaussianBlur(cv2.resize(weight, size, interpolation=cv2.INTER_AREA), (0, 0), sigma / 4)
    weighted = cv2.resize(values * weight[..., None], size, interpolation=cv2.INTER_AREA)
    mean = cv2.GaussianBlur(weighted, (0, 0), sigma / 4).reshape(*total.shape, -1) / np.maximum(total, 1e-4)[..., None]
    return np.asarray(cv2.resize(np.dstack([mean, total]), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.float32)


def evened(detail: Array, mask: Array, places: dict[str, Array]) -> Array:
    """Detail without places of extreme contrast, which are shading or hair; lips and ears keep more of theirs."""
    bright = detail.mean(axis=2, keepdims=True)
    local = np.sqrt(np.maximum(smooth(bright**2, mask, 10.0)[..., 0], 1e-8))
    top, left = PATCH_TOP_LEFT
    usual = np.median(local[top : top + PATCH_SIZE, left : left + PATCH_SIZE])
    allowed = usual * (1.5 + 1.5 * np.clip(places["lips"] + places["ears"], 0, 1))
    return np.asarray(detail * np.minimum(1, allowed / local)[..., None])


def usable(log_rgb: Array, places: dict[str, Array], *, dark: bool) -> Array:
    """0–1: skin without scalp hair, painted lashes and lids, and the seam between the lips."""
    bright = log_rgb.mean(axis=2)
    texture = np.abs(bright - cv2.GaussianBlur(bright, (0, 0), 4.0))
    roughness = cv2.GaussianBlur(texture, (0, 0), 9.0)
    top, left = PATCH_TOP_LEFT
    usual = np.median(roughness[top : top + PATCH_SIZE, left : left + PATCH_SIZE])
    # Features of the face are rough, too, but no hair.
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    inner = (np.hypot(rows - MIRROR_Y, columns - 500) < 190) | (cv2.dilate(places["ears"], np.ones((9, 9))) > 0.3)
    hairy = cv2.dilate(((roughness > 2.0 * usual) & ~inner).astype(np.uint8), np.ones((15, 15)))
    painted = cv2.dilate(places["eyelids"], np.ones((19, 19))) > 0.3
    bare = places["far_from_hair" if dark else "bare"] > 0.5
    mask = places["island"] * bare * (1 - hairy) * ~painted
    return np.asarray(cv2.GaussianBlur(cv2.erode(mask.astype(np.float32), np.ones((7, 7))), (0, 0), 3.0))


def tile(detail: Array) -> Array:
    """A texture with the spectrum and the colours of a cheek's, which repeats without a seam.

    Source: Galerne, Gousseau and Morel, Random phase textures, 2011.
    """
    top, left = PATCH_TOP_LEFT
    patch = detail[top : top + PATCH_SIZE, left : left + PATCH_SIZE]
    window = np.hanning(PATCH_SIZE)[:, None] * np.hanning(PATCH_SIZE)[None]
    patch = (patch - patch.mean(axis=(0, 1))) * window[..., None] / np.sqrt((window**2).mean())
    padded = np.zeros((TILE_SIZE, TILE_SIZE, 3), np.float32)
    padded[:PATCH_SIZE, :PATCH_SIZE] = patch * (TILE_SIZE / PATCH_SIZE)
    noise = np.random.default_rng(31).normal(size=(TILE_SIZE, TILE_SIZE))
    phase = np.exp(1j * np.angle(np.fft.fft2(noise)))
    phase[0, 0] = 0
    spread = np.fft.ifft2(np.fft.fft2(padded, axes=(0, 1)) * phase[..., None], axes=(0, 1)).real
    return np.asarray(spread, np.float32)


def as_webp(detail: Array) -> Array:
    coded = np.round(128 + 127 * np.tanh(detail / COMPANDING)).clip(0, 255).astype(np.uint8)
    done, data = cv2.imencode(".webp", np.ascontiguousarray(coded[..., ::-1]), [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    if not done:
        raise SystemExit("the image library writes no WebP")
    return np.asarray(data).ravel()


def main() -> None:
    paths = sorted(path for path in Path(sys.argv[1]).iterdir() if path.suffix in {".jpg", ".png"})
    if not {path.stem for path in paths} >= set(DETAILS):
        raise SystemExit(f"expected the skins {', '.join(DETAILS)} in {sys.argv[1]}")
    places = regions()
    tones, masks, details = [], [], {}
    face_place = load_face() > 0.5
    for path in paths:
        picture = cv2.imread(str(path))
        if picture is None or picture.shape != (HEIGHT, WIDTH, 3):
            raise SystemExit(f"{path} is no image of {WIDTH} × {HEIGHT}")
        log_rgb = np.log(to_light(picture[..., ::-1].astype(np.float32) / 255) + 0.004)
        mask = usable(log_rgb, places, dark="dark" in path.stem)
        mean, total = np.split(smooth(log_rgb, mask, SPLIT_PX), [3], axis=2)
        if path.stem in DETAILS:
            details[path.stem] = ((log_rgb - mean) * mask[..., None], mask)
        face = mask * face_place
        mean = mean - (mean * face[..., None]).sum(axis=(0, 1)) / face.sum()
        # Nothing is known where hair grows: there the tone fades to the whole face's.
        tones.append(np.where(total > 0.02, mean, 0) * np.clip(2.5 * total, 0, 1))
        masks.append(mask)
    dark = np.array(["dark" in path.stem for path in paths])
    female = np.array(["female" in path.stem for path in paths])
    all_tones = np.stack(tones)
    # What men's jaws have and women's haven't: the shadow of a shaven beard.
    shadow = all_tones[~dark & ~female].mean(axis=0) - all_tones[~dark & female].mean(axis=0)
    weight = places["beard"][..., None] * np.stack(masks).mean(axis=0)[..., None]
    shadow_rgb = (shadow * weight).sum(axis=(0, 1)) / weight.sum()
    all_tones[~female] -= cv2.GaussianBlur(places["beard"], (0, 0), 12.0)[..., None] * shadow_rgb
    # Light falls the same way on all of them: what their brightness has in common, but for lips and ears.
    kept = cv2.GaussianBlur(np.clip(places["lips"] + 0.5 * places["ears"], 0, 1), (0, 0), 6.0)[..., None]
    for group in (dark, ~dark):
        all_tones[group] -= BAKED * (1 - kept) * all_tones[group].mean(axis=0).mean(axis=2, keepdims=True)
        shared = [details[path.stem] for path, own in zip(paths, group, strict=True) if own and path.stem in details]
        edges = np.mean([detail.mean(axis=2, keepdims=True) for detail, _ in shared], axis=0)
        edges = cv2.GaussianBlur(edges, (0, 0), 6.0)[..., None] * (1 - kept)
        for own_detail, _ in shared:
            np.subtract(own_detail, BAKED * edges, out=own_detail)
    all_tones = TONE_LIMIT * np.tanh(all_tones / TONE_LIMIT)
    small = [
        cv2.resize(tone, (WIDTH // TONE_STEP, HEIGHT // TONE_STEP), interpolation=cv2.INTER_AREA) for tone in all_tones
    ]
    arrays: dict[str, Array] = {
        "names": np.array([path.stem for path in paths]),
        "tones": np.round(127 * np.clip(np.stack(small) / TONE_RANGE, -1, 1)).astype(np.int8),
        "beard_shadow": shadow_rgb.astype(np.float32),
        "detail_names": np.array(DETAILS),
    }
    for number, name in enumerate(DETAILS):
        detail, mask = details[name]
        detail = evened(detail, mask, places)
        if "dark" in name:
            # Their colours are the JPEG coder's.
            detail = cv2.GaussianBlur(detail, (0, 0), 0.6)
            detail = 0.4 * detail + 0.6 * detail.mean(axis=2, keepdims=True)
        top, left = PATCH_TOP_LEFT
        patch = detail[top : top + PATCH_SIZE, left : left + PATCH_SIZE]
        # Photographs differ in sharpness and noise; their contrast is drawn for each actor.
        scale = 0.045 / patch.mean(axis=2).std()
        print(f"{name}: {patch.mean(axis=2).std():.3f}, {mask.mean():.0%} usable")
        arrays[f"detail_{number}"] = as_webp(scale * detail)
        arrays[f"tile_{number}"] = as_webp(scale * tile(detail))
        small_mask = cv2.resize(mask, (WIDTH // 4, HEIGHT // 4), interpolation=cv2.INTER_AREA)
        arrays[f"usable_{number}"] = np.round(255 * small_mask).astype(np.uint8)
    np.savez_compressed(OUTPUT, **arrays)  # type: ignore[arg-type]
    print(f"{len(paths)} tones, {len(DETAILS)} details, {OUTPUT.stat().st_size / 1e6:.1f} MB")


def load_face() -> Array:
    """The face's region in the photographs' layout."""
    face = load_head().maps["face"].astype(np.float32) / 255
    back = cv2.invertAffineTransform(from_photograph(face.shape[0]))
    return np.asarray(cv2.warpAffine(face, back, (WIDTH, HEIGHT), flags=cv2.INTER_AREA))


if __name__ == "__main__":
    main()
