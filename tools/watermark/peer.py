"""Run by the Python of an environment that has the peers; imports nothing of this project.

    PYTHON peer.py mark|read METHOD FOLDER

Marks FOLDER/in/*.png into FOLDER/out with a fixed word, or reads FOLDER/read/*.png; prints milliseconds a picture, or
the fraction of right bits of each picture, as JSON.
"""

import json
import sys
import time
from pathlib import Path

import cv2
import numpy as np

BITS = {"dwtDctSvd": 32, "rivaGan": 32, "blind-watermark": 64}


def word(method: str) -> list[int]:
    """The same pseudo-random bits every time."""
    return [int(bit) for bit in np.random.default_rng(7).integers(0, 2, BITS[method])]


def mark(method: str, source: Path, target: Path) -> None:
    picture = cv2.imread(str(source))
    if method == "blind-watermark":
        from blind_watermark import WaterMark

        marker = WaterMark(password_img=1, password_wm=1)
        marker.read_img(img=picture)
        marker.read_wm([bool(bit) for bit in word(method)], mode="bit")
        cv2.imwrite(str(target), np.clip(np.rint(marker.embed()), 0, 255).astype(np.uint8))
        return
    from imwatermark import WatermarkEncoder

    encoder = WatermarkEncoder()
    encoder.set_watermark("bits", word(method))
    cv2.imwrite(str(target), encoder.encode(picture, method))


def right_bits(method: str, path: Path) -> float:
    picture = cv2.imread(str(path))
    if method == "blind-watermark":
        from blind_watermark import WaterMark

        found = WaterMark(password_img=1, password_wm=1).extract(embed_img=picture, wm_shape=BITS[method], mode="bit")
        found = np.asarray(found) > 0.5
    else:
        from imwatermark import WatermarkDecoder

        found = np.asarray(WatermarkDecoder("bits", BITS[method]).decode(picture, method))
    return float(np.mean(found.astype(int) == np.asarray(word(method))))


def main() -> None:
    verb, method, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    if method == "rivaGan":
        from imwatermark import WatermarkEncoder

        WatermarkEncoder.loadModel()
    if verb == "mark":
        (folder / "out").mkdir(exist_ok=True)
        start = time.process_time()
        paths = sorted((folder / "in").glob("*.png"))
        for path in paths:
            mark(method, path, folder / "out" / path.name)
        print(json.dumps(1000 * (time.process_time() - start) / len(paths)))
    else:
        paths = sorted((folder / "read").glob("*.png"))
        found = {}
        for path in paths:
            try:
                found[path.stem] = right_bits(method, path)
            except Exception as error:
                found[path.stem] = 0.5
                print(path.stem, error, file=sys.stderr)
        print(json.dumps(found))


if __name__ == "__main__":
    main()
