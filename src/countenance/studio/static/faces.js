// The page Faces: a contact sheet of which only what is visible exists, and what is decided on it.
import { ask, clock, onJobs, post } from "/static/studio.js";
import { openEditor } from "/static/faces-editor.js";
import { showCoverage } from "/static/faces-coverage.js";
import { showUnsure, hasUnsaved as hasAnswers, unsureKey } from "/static/faces-unsure.js";
import { drawOver } from "/static/faces-overlay.js";
import { queryText, readAddress, showSummary } from "/static/faces-filters.js";
import { base, byId, fill, make, number, patiently, person, pictureOf, root, tell, token } from "/static/faces-parts.js";

const isQuick = root.dataset.quick === "yes";

const PAGE = 100, MOST_SELECTED = 2000, GAP = 6, UNDER = 20, SAVE_AFTER_MS = 1200;
const WORDS = { keep: "keep", drop: "drop", reset: "as prepared" };
const STATE_WORDS = { kept: "kept", "left-out": "left out", unsure: "unsure" };

/** A moment of a clip. */
const about = (seconds) => (seconds < 60 ? `${seconds.toFixed(1)} s` : clock(seconds));

/** A measure without its name, which stands beside it. */
const bare = (text) => text.replace(/^[a-z ]+ (?=[-+\d])/, "").replace("-", "−");

// Pages of rows: an old one is shown until its new one has come.
const pages = new Map();
let generation = 0, total = 0, version = "";

function refresh() {
  generation += 1;
  loadSummary();
  load(0).then(draw);
  draw();
}

/** See to it that a page of rows is there, or comes. */
function load(page) {
  const known = pages.get(page);
  if (known?.generation === generation) return known.coming;
  const coming = read(page, generation);
  pages.set(page, { faces: known?.faces, generation, coming });
  return coming;
}

async function read(page, mine) {
  try {
    const answer = await patiently(() => ask(`${base}/rows?${queryText()}&begin=${page * PAGE}&count=${PAGE}`));
    if (mine !== generation) return;
    const isNews = version && answer.version !== version;
    version = answer.version;
    total = answer.total;
    pages.get(page).faces = answer.faces;
    // Something else changed the faces: what is shown is asked for again.
    if (isNews) refresh(); else draw();
  } catch (error) {
    if (mine !== generation) return;
    pages.delete(page);
    tell(error.message);
  }
}

const rowAt = (index) => pages.get(Math.floor(index / PAGE))?.faces?.[index % PAGE];

// The grid.
const grid = byId("grid"), canvas = byId("canvas");
const tiles = new Map();
let current = -1, anchor = -1, columns = 1, step = 1, size = Number(localStorage.getItem("face-size") ?? 132), isMovingFast = false, settle = 0, scrolledTo = 0;

function draw() {
  const width = grid.clientWidth - GAP;
  columns = Math.max(Math.floor(width / (size + GAP)), 1);
  const side = Math.floor(width / columns) - GAP;
  step = side + UNDER + GAP;
  canvas.style.height = `${Math.ceil(total / columns) * step + GAP}px`;
  const first = Math.max(Math.floor(grid.scrollTop / step) - 1, 0) * columns;
  const last = Math.min((Math.ceil((grid.scrollTop + grid.clientHeight) / step) + 1) * columns, total);
  for (const [index, tile] of tiles) if (index < first || index >= last) forget(index, tile);
  for (let index = first; index < last; index += 1) place(index, side);
  if (!isMovingFast && last > first) for (let page = Math.floor(first / PAGE); page <= Math.floor((last - 1) / PAGE); page += 1) load(page);
  byId("count").textContent = total === 1 ? "1 face" : `${number(total)} faces`;
}

function forget(index, tile) {
  // What hasn't come yet isn't waited for.
  tile.querySelector("img")?.removeAttribute("src");
  tile.remove();
  tiles.delete(index);
}

function place(index, side) {
  let tile = tiles.get(index);
  if (!tile) {
    tile = make("div", { role: "option", id: `tile-${index}`, "aria-posinset": index + 1 });
    tile.dataset.index = index;
    tiles.set(index, tile);
    canvas.append(tile);
  }
  tile.setAttribute("aria-setsize", total);
  tile.style.left = `${GAP + (index % columns) * (side + GAP)}px`;
  tile.style.top = `${GAP + Math.floor(index / columns) * step}px`;
  tile.style.width = `${side}px`;
  tile.style.height = `${side + UNDER}px`;
  showTile(tile, rowAt(index), index, side);
}

function showTile(tile, row, index, side) {
  const word = row && (pending.get(row.name) ?? queued.get(row.name));
  const key = row ? [row.name, row.version, row.state, row.word, word, row.value].join() : "";
  tile.className = `tile ${row?.state ?? ""}${row && selection.has(row.name) ? " selected" : ""}${index === current ? " current" : ""}`;
  tile.setAttribute("aria-selected", String(Boolean(row && selection.has(row.name))));
  if (tile.dataset.key !== key) {
    tile.dataset.key = key;
    const known = tile.querySelector("img");
    const isSame = known && tile.dataset.picture === `${row?.name}${row?.version}`;
    tile.replaceChildren();
    if (!row) { tile.append(make("div", { class: "none" })); return; }
    tile.dataset.picture = `${row.name}${row.version}`;
    if (!row.picture) tile.append(make("div", { class: "none" }, "near duplicate"));
    else tile.append(isSame ? known : make("img", { alt: "", decoding: "async", draggable: "false" }));
    const words = row.reasons.length ? row.reasons.join(", ") : STATE_WORDS[row.state];
    tile.append(make("div", { class: "under" }, make("span", { class: "mark", title: STATE_WORDS[row.state] }), make("b", {}, bare(row.value) || about(row.seconds)), make("span", {}, row.state === "kept" ? "" : words)));
    tile.setAttribute("aria-label", `${row.clip}, ${row.seconds.toFixed(1)} seconds, ${words}${word ? `, to ${WORDS[word]}` : ""}`);
    if (word || row.word) tile.append(make("span", { class: `word${word ? " new" : ""}` }, word ? WORDS[word] : row.word === "keep" ? "kept by you" : "dropped"));
  }
  const picture = tile.querySelector("img");
  if (picture && !picture.hasAttribute("src") && !isMovingFast) {
    // Once more where another command wrote at the same moment.
    picture.addEventListener("error", () => setTimeout(() => { if (picture.isConnected) picture.src = `${pictureOf(row, 256)}&again`; }, 500), { once: true });
    picture.src = pictureOf(row, side > 165 ? 256 : 160);
  }
}

grid.addEventListener("scroll", () => {
  isMovingFast = Math.abs(grid.scrollTop - scrolledTo) > grid.clientHeight * 0.7;
  scrolledTo = grid.scrollTop;
  clearTimeout(settle);
  settle = setTimeout(() => { isMovingFast = false; draw(); }, 60);
  requestAnimationFrame(draw);
});
new ResizeObserver(draw).observe(grid);
byId("size").value = size;
byId("size").addEventListener("input", (event) => {
  const top = Math.floor(grid.scrollTop / step) * columns;
  size = Number(event.target.value);
  localStorage.setItem("face-size", size);
  draw();
  grid.scrollTop = Math.floor(top / columns) * step;
  draw();
});

// Selection.
const selection = new Map();

function showSelection() {
  const count = selection.size;
  byId("selected").textContent = count ? `${number(count)} selected` : "";
  document.querySelectorAll("[data-word]").forEach((button) => { button.disabled = !count && current < 0; });
  draw();
}

async function select(first, last) {
  const begin = Math.min(first, last), count = Math.abs(last - first) + 1;
  if (count > MOST_SELECTED) { tell(`At most ${number(MOST_SELECTED)} faces can be selected at once, not ${number(count)}; show fewer by state, reason or range.`); return; }
  const wanted = new Set();
  for (let index = begin; index < begin + count; index += 1) wanted.add(Math.floor(index / PAGE));
  for (const page of wanted) await load(page);
  for (let index = begin; index < begin + count; index += 1) { const row = rowAt(index); if (row) selection.set(row.name, row); }
  showSelection();
}

function goTo(index, { isShift = false } = {}) {
  if (total === 0) return;
  current = Math.min(Math.max(index, 0), total - 1);
  const top = Math.floor(current / columns) * step;
  if (top < grid.scrollTop) grid.scrollTop = top;
  if (top + step > grid.scrollTop + grid.clientHeight) grid.scrollTop = top + step + GAP - grid.clientHeight;
  if (isShift) { selection.clear(); select(anchor < 0 ? current : anchor, current); } else anchor = current;
  grid.setAttribute("aria-activedescendant", `tile-${current}`);
  showSelection();
  inspectSoon();
}

grid.addEventListener("click", (event) => {
  const tile = event.target.closest(".tile");
  if (!tile) return;
  const index = Number(tile.dataset.index), row = rowAt(index);
  if (event.shiftKey) { goTo(index, { isShift: true }); return; }
  if (event.ctrlKey || event.metaKey) { if (row) selection.has(row.name) ? selection.delete(row.name) : selection.set(row.name, row); } else { selection.clear(); if (row) selection.set(row.name, row); }
  goTo(index);
});
grid.addEventListener("dblclick", () => edit());

grid.addEventListener("keydown", (event) => {
  const rows = Math.max(Math.floor(grid.clientHeight / step), 1);
  const to = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, PageUp: -columns * rows, PageDown: columns * rows }[event.key];
  if (to !== undefined && !event.ctrlKey) {
    if (!event.shiftKey) selection.clear();
    goTo(Math.max(current, 0) + (current < 0 ? 0 : to), { isShift: event.shiftKey });
  } else if (event.key === "Home") goTo(0, { isShift: event.shiftKey });
  else if (event.key === "End") goTo(total - 1, { isShift: event.shiftKey });
  else if (event.key === " ") { const row = rowAt(current); if (row) selection.has(row.name) ? selection.delete(row.name) : selection.set(row.name, row); showSelection(); }
  else if (event.key === "Escape") { selection.clear(); showSelection(); }
  else if (event.key === "Enter") edit();
  else if (event.key === "a" && (event.ctrlKey || event.metaKey)) select(0, total - 1);
  else return;
  event.preventDefault();
});

// Decisions: shown at once, saved together, as each makes the face set again.
const pending = new Map(), queued = new Map(), history_ = [], saved = [];
let saving = false, saveSoon = 0;

function decide(word) {
  const rows = selection.size ? [...selection.values()] : [rowAt(current)].filter(Boolean);
  const able = rows.filter((row) => word !== "keep" || (row.picture && row.state !== "unsure"));
  if (able.length < rows.length) tell("Near duplicates have no picture and can't be kept; of unsure faces, answer first whose they are.");
  else tell("");
  if (!able.length) return;
  history_.push(able.map((row) => [row, pending.get(row.name)]));
  able.forEach((row) => (row.word ?? "reset") === word && row.state !== "unsure" && word !== "reset" ? pending.delete(row.name) : pending.set(row.name, word));
  before.set(history_.at(-1), new Map(able.map((row) => [row.name, row.word ?? "reset"])));
  if (selection.size <= 1) { selection.clear(); goTo(current + 1); }
  showTray();
}
const before = new WeakMap();

function undo() {
  const step_ = history_.pop();
  if (step_) step_.forEach(([row, word]) => (word ? pending.set(row.name, word) : pending.delete(row.name)));
  else if (saved.length) saved.pop().forEach((word, name) => pending.set(name, word));
  showTray();
}

function showTray() {
  const counts = Object.keys(WORDS).map((word) => [word, [...pending.values()].filter((each) => each === word).length]).filter(([, count]) => count);
  byId("tray").hidden = !pending.size && !history_.length && !saved.length;
  byId("save").hidden = !pending.size;
  byId("tray-words").textContent = saving ? "Saving …" : counts.map(([word, count]) => `${number(count)} to ${word === "reset" ? "judge as prepared" : WORDS[word]}`).join(", ");
  clearTimeout(saveSoon);
  if (isQuick && pending.size && !saving) saveSoon = setTimeout(save, SAVE_AFTER_MS);
  draw();
}

async function save() {
  if (saving || !pending.size) return;
  saving = true;
  const sent = new Map(pending);
  const earlier = new Map();
  history_.forEach((step_) => before.get(step_)?.forEach((word, name) => { if (sent.has(name) && !earlier.has(name)) earlier.set(name, word); }));
  showTray();
  const body = new FormData();
  body.set("once", token());
  for (const word of Object.keys(WORDS)) body.set(word, [...sent].filter(([, each]) => each === word).map(([name]) => name).join(" "));
  try {
    const answer = await post(`${base}/decide`, body);
    sent.forEach((word, name) => { if (pending.get(name) === word) pending.delete(name); });
    history_.length = 0;
    saved.push(earlier);
    if (answer.jobs) sent.forEach((word, name) => queued.set(name, word));
    if (answer.jobs) tell(`With so many faces this takes a while: job ${answer.jobs.join(", ")} makes the face set again; go on meanwhile.`, true);
    else byId("face-set").textContent = `${number(answer.num_kept)} faces in the set`;
    saving = false;
    selection.clear();
    showSelection();
    refresh();
    inspectSoon();
  } catch (error) {
    saving = false;
    clearTimeout(saveSoon);
    tell(error.message);
    byId("tray-words").textContent = "Not saved";
    refresh();
    return;
  }
  showTray();
}

document.querySelectorAll("[data-word]").forEach((button) => button.addEventListener("click", () => { decide(button.dataset.word); grid.focus(); }));
byId("undo").addEventListener("click", undo);
byId("save").addEventListener("click", save);
addEventListener("beforeunload", (event) => { if (pending.size || hasAnswers()) event.preventDefault(); });

addEventListener("keydown", (event) => {
  if (event.target.matches("input, select, textarea") || byId("editor").open) return;
  const key = event.key.toLowerCase(), isCommand = event.ctrlKey || event.metaKey;
  if (view === "unsure" && unsureKey(event)) { event.preventDefault(); return; }
  if (view !== "sheet") return;
  if (isCommand && key === "z") undo();
  else if (isCommand && key === "s") save();
  else if (!isCommand && !event.altKey && key === "k") decide("keep");
  else if (!isCommand && !event.altKey && key === "d") decide("drop");
  else if (!isCommand && !event.altKey && key === "r") decide("reset");
  else return;
  event.preventDefault();
});

// What is found, counted.
async function loadSummary() {
  const mine = generation;
  try {
    const found = await patiently(() => ask(`${base}/summary?${queryText()}`));
    if (mine === generation || found.version === version) { total = found.total; showSummary(found); draw(); }
  } catch (error) { tell(error.message); }
}

// One face, large.
const inspector = byId("inspector");
const overlays = { mask: true, landmarks: false };
let inspecting = 0, shown = null;

function inspectSoon() {
  clearTimeout(inspecting);
  inspecting = setTimeout(inspect, 90);
}

async function inspect() {
  const row = rowAt(current);
  if (!row) return;
  try { shown = await patiently(() => ask(`${base}/${row.name}.json`)); } catch (error) { inspector.replaceChildren(make("p", { class: "notice bad" }, error.message)); return; }
  if (rowAt(current)?.name !== row.name) return;
  showFace(shown);
}

function showFace(face) {
  const picture = make("canvas", { class: "picture", width: 640, height: 640, role: "img", "aria-label": "The face" });
  const toggles = Object.entries({ mask: "Mask", landmarks: "Landmarks" }).map(([name, title]) => {
    const button = make("button", { type: "button", "aria-pressed": String(overlays[name]) }, title);
    button.addEventListener("click", () => { overlays[name] = !overlays[name]; button.setAttribute("aria-pressed", String(overlays[name])); drawOver(picture, face, overlays); });
    return button;
  });
  const correct = make("button", { type: "button", class: "primary" }, "Correct …");
  correct.addEventListener("click", edit);
  const word = face.word === "keep" ? "kept by you" : face.word === "drop" ? "dropped by you" : face.state === "kept" ? "kept" : STATE_WORDS[face.state];
  fill(
    inspector,
    make("div", { class: "row" }, make("span", { class: `chip ${{ kept: "good", unsure: "warn" }[face.state] ?? "bad"}` }, word), make("span", { class: "small" }, `${face.clip}, about ${about(face.seconds)}`)),
    face.picture ? picture : make("p", { class: "empty" }, "A near duplicate: its picture isn't stored."),
    face.picture && make("div", { class: "row" }, ...toggles, make("span", { class: "fill" }), correct),
    ...face.why.map(({ what, remedy }) => make("div", { class: "why" }, make("b", {}, what), make("span", { class: "small" }, remedy))),
    make("table", {}, make("tbody", {}, ...face.measures.map(({ title, text, hint }) => make("tr", { title: hint }, make("td", { class: "soft" }, title), make("td", {}, bare(text)))),
      make("tr", {}, make("td", { class: "soft" }, "Frame"), make("td", {}, number(face.frame))),
      make("tr", {}, make("td", { class: "soft" }, "Mask by"), make("td", {}, { hand: "you", segmenter: "the net", hull: "the mesh" }[face.mask_by] ?? "none")))),
    make("p", { class: "small mono" }, face.name),
  );
  if (face.picture) drawOver(picture, face, overlays);
}

function edit() {
  if (!shown?.picture || shown.name !== rowAt(current)?.name) return;
  openEditor(shown, (face, jobs) => {
    shown = face;
    showFace(face);
    refresh();
    tell(jobs.length ? `Saved; job ${jobs.join(", ")} makes the face set again.` : "Saved; the face set was made again.", true);
  });
}

// Views.
let view = "sheet";
function show(name) {
  view = ["sheet", "unsure", "coverage"].includes(name) ? name : "sheet";
  document.querySelectorAll("[data-view]").forEach((tab) => tab.setAttribute("aria-selected", String(tab.dataset.view === view)));
  document.querySelectorAll(".view").forEach((each) => { each.hidden = each.id !== `view-${view}`; });
  history.replaceState(null, "", `${location.pathname}${location.search}${view === "sheet" ? "" : `#${view}`}`);
  if (view === "sheet") { draw(); grid.focus({ preventScroll: true }); }
  if (view === "unsure") showUnsure(refresh);
  if (view === "coverage") showCoverage();
}
document.querySelectorAll("[data-view]").forEach((tab) => tab.addEventListener("click", () => show(tab.dataset.view)));
addEventListener("hashchange", () => show(location.hash.slice(1)));

// Jobs that change this person's faces: the page is brought up to date, not loaded again, which would lose what isn't saved.
document.querySelectorAll("[data-line] [data-job]").forEach((line) => { line.dataset.stay = ""; });
let open = new Set();
onJobs((jobs) => {
  const own = jobs.filter((job) => ["faces", "prepare", "coverage"].includes(job.arguments[0]) && job.arguments.includes(person));
  const now = new Set(own.filter((job) => !["done", "failed", "stopped"].includes(job.state)).map((job) => job.number));
  const ended = own.filter((job) => open.has(job.number) && !now.has(job.number));
  open = now;
  if (!ended.length) return;
  if (!own.some((job) => job.arguments[0] === "faces" && now.has(job.number))) queued.clear();
  ended.forEach((job) => document.querySelector(`[data-line]:has([data-job="${job.number}"])`)?.remove());
  const failed = ended.find((job) => job.state !== "done");
  tell(failed ? failed.message ?? "The job failed." : "Done; the page shows it.", !failed);
  refresh();
  if (view === "coverage") showCoverage();
});

readAddress(() => {
  grid.scrollTop = 0;
  current = -1;
  pages.clear();
  selection.clear();
  refresh();
});
show(location.hash.slice(1));
refresh();
// Measures are read when they are first asked for, so that the sheet is there at once, and here before somebody sorts by one.
setTimeout(() => ask(`${base}/summary?sort=blur`).catch(() => {}), 1500);
