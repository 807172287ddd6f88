// A face on a canvas, with the outline of its mask and the points of its mesh.

import { base, pictureOf } from "/static/faces-parts.js";

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Load a picture of the studio. */
export function loaded(address) {
  return new Promise((resolve, reject) => {
    const picture = new Image();
    picture.addEventListener("load", () => resolve(picture));
    picture.addEventListener("error", () => reject(new Error("The picture can't be loaded; load the page again.")));
    picture.src = address;
  });
}

/** The grey values of a mask, one byte a pixel. */
export async function readMask(face) {
  const picture = await loaded(`${base}/${face.name}.mask.png?v=${face.version}-${Date.now()}`);
  const canvas = new OffscreenCanvas(face.side, face.side), pen = canvas.getContext("2d");
  pen.drawImage(picture, 0, 0);
  const rgba = pen.getImageData(0, 0, face.side, face.side).data;
  return Uint8ClampedArray.from({ length: face.side ** 2 }, (_, index) => rgba[4 * index]);
}

/** A mesh of the frame, in pixels of its crop: pairs of x and y. */
export function inCrop(face) {
  const [[a, b, c], [d, e, f]] = face.to_crop;
  return face.landmarks.map(([x, y]) => [a * x + b * y + c, d * x + e * y + f]);
}

/** A picture of what a mask hides, and of its outline. */
export function maskPicture(grey, side) {
  const canvas = new OffscreenCanvas(side, side), pen = canvas.getContext("2d"), data = pen.createImageData(side, side);
  const [red, green, blue] = rgbOf(colour("--accent"));
  for (let index = 0; index < grey.length; index += 1) {
    const isIn = grey[index] >= 128, x = index % side;
    const isEdge = isIn && [x > 0 ? index - 1 : -1, x < side - 1 ? index + 1 : -1, index - side, index + side].some((each) => !(grey[each] >= 128));
    data.data.set(isEdge ? [red, green, blue, 235] : [0, 0, 0, (255 - grey[index]) * 0.5], 4 * index);
  }
  pen.putImageData(data, 0, 0);
  return canvas;
}

function rgbOf(text) {
  const pen = new OffscreenCanvas(1, 1).getContext("2d");
  pen.fillStyle = text;
  pen.fillRect(0, 0, 1, 1);
  return pen.getImageData(0, 0, 1, 1).data;
}

/** Points of a mesh; the one that is held is larger. */
export function drawPoints(pen, points, scale, held = -1) {
  pen.fillStyle = colour("--warn");
  points.forEach(([x, y], index) => {
    const radius = index === held ? 5 : 1.6;
    pen.beginPath();
    pen.arc((x + 0.5) * scale, (y + 0.5) * scale, radius, 0, 2 * Math.PI);
    pen.fill();
  });
}

/** Draw a face with what is wanted over it. */
export async function drawOver(canvas, face, { mask, landmarks }) {
  const [picture, grey] = await Promise.all([loaded(pictureOf(face, 1024)), mask ? readMask(face) : null]);
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  if (grey) pen.drawImage(maskPicture(grey, face.side), 0, 0, canvas.width, canvas.height);
  if (landmarks) drawPoints(pen, inCrop(face), canvas.width / face.side);
}
