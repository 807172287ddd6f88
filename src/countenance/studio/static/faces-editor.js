// Correct one face: its points are dragged, its mask is painted; each with undo.
import { post } from "/static/studio.js";
import { drawPoints, inCrop, loaded, maskPicture, readMask } from "/static/faces-overlay.js";
import { base, byId, pictureOf, token } from "/static/faces-parts.js";

const dialog = byId("editor"), canvas = byId("edit-canvas"), pen = canvas.getContext("2d");
const NEAR = 16, MOST_STEPS = 40;
const HINTS = {
  landmarks: "Drag a point onto its place; arrow keys move the last one. The crop is cut again from the clip, and its mask is made anew.",
  mask: "Paint what is seen of the face; what is hidden, such as by a hand, is left out of learning.",
};
let face = null, saved = () => {};
let tool = "landmarks", brush = "add", picture = null, points = [], original = [], mask = null, maskShown = null, held = -1, at = null;
let done = [], undone = [];

/** Open the editor on a face; `then` gets the face as it was saved, and the jobs that were begun. */
export async function openEditor(which, then) {
  [face, saved] = [which, then];
  [done, undone, held, at] = [[], [], -1, null];
  [picture, mask] = await Promise.all([loaded(pictureOf(face, 1024)), readMask(face)]);
  points = inCrop(face);
  original = points.map((point) => [...point]);
  maskShown = maskPicture(mask, face.side);
  byId("edit-title").textContent = `${face.clip}, about ${face.seconds.toFixed(1)} s`;
  tell("");
  choose(tool);
  dialog.showModal();
  canvas.focus();
}

function choose(name) {
  tool = name;
  document.querySelectorAll("[data-tool]").forEach((each) => each.setAttribute("aria-pressed", String(each.dataset.tool === tool)));
  document.querySelectorAll("[data-of]").forEach((each) => { each.hidden = each.dataset.of !== tool; });
  byId("edit-hint").textContent = HINTS[tool];
  draw();
}

const isChanged = () => done.length > 0;
const scale = () => canvas.width / face.side;

function draw() {
  pen.imageSmoothingQuality = "high";
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  const both = byId("edit-other").checked;
  if (tool === "mask" || both) {
    pen.globalAlpha = tool === "mask" ? 1 : 0.45;
    pen.drawImage(maskShown, 0, 0, canvas.width, canvas.height);
    pen.globalAlpha = 1;
  }
  if (tool === "landmarks" || both) {
    pen.globalAlpha = tool === "landmarks" ? 1 : 0.4;
    drawPoints(pen, points, scale(), tool === "landmarks" ? held : -1);
    pen.globalAlpha = 1;
  }
  if (tool === "mask" && at) {
    pen.strokeStyle = "white";
    pen.lineWidth = 1.5;
    pen.beginPath();
    pen.arc(at[0], at[1], radius() * scale(), 0, 2 * Math.PI);
    pen.stroke();
  }
  byId("edit-undo").disabled = !done.length;
  byId("edit-redo").disabled = !undone.length;
  byId("edit-save").disabled = !isChanged();
  // What is painted is painted on this crop, which new landmarks cut anew: one at a time.
  document.querySelectorAll("[data-tool]").forEach((each) => { each.disabled = isChanged() && each.dataset.tool !== tool; });
  byId("edit-warning").textContent = isChanged() ? "Save or undo before you correct the other one." : tool === "landmarks" && face.mask_by === "hand" ? "This face has a mask by your hand; new landmarks make another one." : "";
}

const state = () => (tool === "landmarks" ? points.map((point) => [...point]) : mask.slice());
function remember(before) {
  done.push(before);
  if (done.length > MOST_STEPS) done.shift();
  undone = [];
}
function put(value) {
  if (tool === "landmarks") points = value; else { mask = value; maskShown = maskPicture(mask, face.side); }
  draw();
}
function undo() { if (done.length) { undone.push(state()); put(done.pop()); } }
function redo() { if (undone.length) { done.push(state()); put(undone.pop()); } }

const radius = () => (Number(byId("brush").value) * face.side) / 512;
const reach = () => (Number(byId("softness").value) * face.side) / 256;
function placeOf(event) {
  const box = canvas.getBoundingClientRect();
  return [((event.clientX - box.left) / box.width) * canvas.width, ((event.clientY - box.top) / box.height) * canvas.height];
}

/** Move one point; those near it follow, the less the further they are. */
function moved(from, index, dx, dy) {
  const width = reach();
  return from.map(([x, y], each) => {
    const far = Math.hypot(x - from[index][0], y - from[index][1]);
    const weight = each === index ? 1 : width ? Math.exp(-(far ** 2) / (2 * width ** 2)) : 0;
    return weight < 0.01 ? [x, y] : [x + weight * dx, y + weight * dy];
  });
}

/** Paint a stroke of round touches, with an edge of one pixel. */
function paint([x0, y0], [x1, y1]) {
  const side = face.side, size = radius(), steps = Math.max(Math.ceil(Math.hypot(x1 - x0, y1 - y0) / Math.max(size / 3, 0.5)), 1);
  for (let step = 0; step <= steps; step += 1) {
    const [x, y] = [x0 + ((x1 - x0) * step) / steps, y0 + ((y1 - y0) * step) / steps];
    for (let row = Math.max(Math.floor(y - size - 1), 0); row <= Math.min(Math.ceil(y + size + 1), side - 1); row += 1) {
      for (let column = Math.max(Math.floor(x - size - 1), 0); column <= Math.min(Math.ceil(x + size + 1), side - 1); column += 1) {
        const cover = Math.min(Math.max(size + 0.5 - Math.hypot(column - x, row - y), 0), 1), index = row * side + column;
        if (cover) mask[index] = brush === "add" ? Math.max(mask[index], 255 * cover) : Math.min(mask[index], 255 * (1 - cover));
      }
    }
  }
  maskShown = maskPicture(mask, side);
}

canvas.addEventListener("pointerdown", (event) => {
  const start = placeOf(event), inPixels = (place) => place.map((value) => value / scale() - 0.5), before = state();
  let last = inPixels(start), isMoved = tool === "mask";
  if (tool === "landmarks") {
    const distances = points.map(([x, y]) => Math.hypot((x + 0.5) * scale() - start[0], (y + 0.5) * scale() - start[1]));
    const nearest = distances.indexOf(Math.min(...distances));
    if (distances[nearest] > NEAR) return;
    held = nearest;
  } else paint(last, last);
  canvas.setPointerCapture(event.pointerId);
  draw();
  const move = (next) => {
    const place = inPixels(placeOf(next));
    if (tool === "landmarks") { points = moved(before, held, place[0] - inPixels(start)[0], place[1] - inPixels(start)[1]); isMoved = true; } else { paint(last, place); last = place; }
    draw();
  };
  const end = () => {
    canvas.removeEventListener("pointermove", move);
    canvas.removeEventListener("pointerup", end);
    canvas.removeEventListener("pointercancel", end);
    if (isMoved) remember(before);
    draw();
  };
  canvas.addEventListener("pointermove", move);
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
});
canvas.addEventListener("pointermove", (event) => { at = placeOf(event); if (tool === "mask") draw(); });
canvas.addEventListener("pointerleave", () => { at = null; draw(); });

dialog.addEventListener("keydown", (event) => {
  const key = event.key.toLowerCase(), isCommand = event.ctrlKey || event.metaKey;
  const nudge = { arrowleft: [-1, 0], arrowright: [1, 0], arrowup: [0, -1], arrowdown: [0, 1] }[key];
  const size = byId("brush");
  if (isCommand && key === "z" && !event.shiftKey) undo();
  else if (isCommand && (key === "y" || (key === "z" && event.shiftKey))) redo();
  else if (nudge && tool === "landmarks" && held >= 0 && event.target === canvas) {
    remember(state());
    points = moved(points, held, nudge[0] * 0.5, nudge[1] * 0.5);
    draw();
  } else if (tool === "mask" && !isCommand && (key === "[" || key === "]")) { size.value = Number(size.value) + (key === "]" ? 4 : -4); draw(); }
  else if (tool === "mask" && !isCommand && (key === "a" || key === "x")) chooseBrush(key === "a" ? "add" : "remove");
  else return;
  event.preventDefault();
});

function chooseBrush(name) {
  brush = name;
  document.querySelectorAll("[data-brush]").forEach((each) => each.setAttribute("aria-pressed", String(each.dataset.brush === brush)));
}

/** The points in pixels of the frame: those that weren't moved are sent as they came. */
function inFrame() {
  const [[a, b, c], [d, e, f]] = face.to_crop, size = a * e - b * d;
  return points.map(([x, y], index) => {
    const [frameX, frameY, z] = face.landmarks[index];
    if (x === original[index][0] && y === original[index][1]) return [frameX, frameY, z];
    return [(e * (x - c) - b * (y - f)) / size, (a * (y - f) - d * (x - c)) / size, z];
  });
}

async function maskText() {
  const side = face.side, sheet = new OffscreenCanvas(side, side), on = sheet.getContext("2d"), data = on.createImageData(side, side);
  mask.forEach((grey, index) => data.data.set([grey, grey, grey, 255], 4 * index));
  on.putImageData(data, 0, 0);
  const bytes = new Uint8Array(await (await sheet.convertToBlob({ type: "image/png" })).arrayBuffer());
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

function tell(text) {
  byId("edit-told").textContent = text;
  byId("edit-told").hidden = !text;
}

async function save() {
  const button = byId("edit-save"), body = new FormData();
  button.disabled = true;
  button.textContent = "Saving …";
  tell("");
  try {
    if (tool === "landmarks") body.set("landmarks", JSON.stringify(inFrame())); else body.set("mask", await maskText());
    body.set("once", token());
    const answer = await post(`${base}/${face.name}/correct`, body);
    dialog.close();
    saved(answer.face, answer.jobs);
  } catch (error) {
    tell(error.message);
    button.disabled = false;
  }
  button.textContent = "Save";
}

document.querySelectorAll("[data-tool]").forEach((each) => each.addEventListener("click", () => choose(each.dataset.tool)));
document.querySelectorAll("[data-brush]").forEach((each) => each.addEventListener("click", () => chooseBrush(each.dataset.brush)));
byId("edit-undo").addEventListener("click", undo);
byId("edit-redo").addEventListener("click", redo);
byId("edit-save").addEventListener("click", save);
byId("edit-other").addEventListener("change", draw);
