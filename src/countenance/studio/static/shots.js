// The page Shots: frames before and after, the timeline with what is wrong and why, and the settings of each shot.
import { ask, onJobs, post } from "/static/studio.js";
import { Settings } from "/static/shot-settings.js";
import { Timeline } from "/static/timeline.js";
import { Viewer } from "/static/viewer.js";

const $ = (name) => document.getElementById(name);
const desk = $("desk");
const query = desk.dataset.query;
const KEPT_PICTURES = 60, MOST_LISTED = 500;

let plate = null;
let frame = 0;
let speed = 0;
let loops = true;

const viewer = new Viewer($("viewer"));
const timeline = new Timeline($("timeline"), { whenMoved: (at) => { stop(); goTo(at); }, whenOver: showOver });
const settings = new Settings($("settings"), {
  save: async (shot, table) => {
    const answer = await heard(post("/shots/set", fields({ shot: shot.number, table: JSON.stringify(table), was: JSON.stringify(shot.table) })));
    Object.assign(shot, answer.shot);
    if (shot.preview.is_there) shot.preview.is_stale = true;
    forgetAfter(shot);
    showLists();
    timeline.draw();
    showShot();
    return shot;
  },
  tried: (changes) => { tried = changes; pictures.wanted(); },
  saved: $("saved"), undo: $("undo"), reset: $("reset"), title: $("settings-title"),
});

$("settings").addEventListener("jump", (event) => { stop(); goTo(event.detail); });

/** The shot of a frame. */
function shotAt(at) {
  let [low, high] = [0, plate.shots.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (plate.shots[middle].first <= at) low = middle; else high = middle - 1;
  }
  return plate.shots[low];
}

const here = () => shotAt(frame);
const fields = (more) => {
  const all = new URLSearchParams(query);
  Object.entries(more).forEach(([name, value]) => all.append(name, value));
  return all;
};

// Pictures: one is asked for at a time, and of those wanted meanwhile only the last.
let tried = [];
const pictures = {
  kept: new Map(), wait: null, failed: "", isOpen: false,
  key(side, at) { return side === "before" ? `before ${at}` : `after ${at} ${tried.join(" ")}`; },
  async wanted() {
    if (!plate || this.wait) { this.again = true; return; }
    do {
      this.again = false;
      this.wait = this.load(frame);
      $("waits").hidden = false;
      await this.wait;
      this.wait = null;
    } while (this.again);
    $("waits").hidden = true;
  },
  async load(at) {
    const begun = performance.now();
    const isDrawn = !this.kept.has(this.key("after", at));
    const [before, after] = await Promise.all([this.get("before", at), viewer.view === "before" ? null : this.get("after", at)]);
    if (before) viewer.show({ before, after: after ?? (viewer.view === "before" ? viewer.images.after.src : null) });
    // The first one opens the plate, which says nothing of the others.
    if (this.isOpen && before && after && isDrawn && !speed) $("took").textContent = `${((performance.now() - begun) / 1000).toFixed(2)} s`;
    this.isOpen ||= Boolean(before && after);
    const isWanted = viewer.view !== "before";
    say(before && (after || !isWanted) ? "" : this.failed);
  },
  async get(side, at) {
    const key = this.key(side, at);
    if (!this.kept.has(key)) {
      const changes = side === "after" ? tried.map((change) => `&change=${encodeURIComponent(change)}`).join("") : "";
      try {
        const answer = await fetch(`/shots/frame.jpg?${query}&frame=${at}&side=${side}${changes}`, { headers: { Accept: "image/jpeg, application/json" } });
        if (!answer.ok) {
          const { error } = await answer.json();
          throw Object.assign(new Error(error?.message ?? "the frame can't be shown"), { code: error?.code });
        }
        const address = URL.createObjectURL(await answer.blob());
        await decoded(address);
        this.kept.set(key, address);
        this.trim();
      } catch (error) {
        this.failed = error.message;
        hideIfEnded(error);
        return null;
      }
    }
    const address = this.kept.get(key);
    this.kept.delete(key);
    this.kept.set(key, address);
    return address;
  },
  trim() {
    while (this.kept.size > KEPT_PICTURES) this.forget(this.kept.keys().next().value);
  },
  forget(key) {
    URL.revokeObjectURL(this.kept.get(key));
    this.kept.delete(key);
  },
};

/** Once consent has ended, nothing that was fetched while it held is shown any more. */
function hideIfEnded(error) {
  if (error.code?.split(".")[0] !== "consent") return;
  [...pictures.kept.keys()].forEach((key) => pictures.forget(key));
  viewer.clear();
  hidePlayer();
  document.querySelectorAll("#list-shots img[src]").forEach((image) => image.removeAttribute("src"));
}

/** The studio's answer; what was refused for want of consent takes the pictures away. */
async function heard(answer) {
  try {
    return await answer;
  } catch (error) {
    hideIfEnded(error);
    throw error;
  }
}

// Who comes back to the page may come after a revocation, so what is shown is asked for again.
document.addEventListener("visibilitychange", () => {
  if (document.hidden || !plate || plate.to_scan.length) return;
  for (const side of ["before", "after"]) pictures.forget(pictures.key(side, frame));
  pictures.wanted();
});

const decoded = async (address) => {
  const image = new Image();
  image.src = address;
  await image.decode();
};

function forgetAfter(shot) {
  for (const key of [...pictures.kept.keys()]) {
    const [side, at] = key.split(" ");
    if (side === "after" && Number(at) >= shot.first && Number(at) <= shot.last) pictures.forget(key);
  }
  pictures.wanted();
}

function say(message) {
  $("over").hidden = !message;
  $("over").classList.remove("large");
  $("over").textContent = message;
}

// Where one is.
function goTo(at, { keep = false } = {}) {
  const before = here();
  frame = Math.max(0, Math.min(plate.frames - 1, Math.round(at)));
  if (!keep) hidePlayer();
  if (here() !== before || !settings.shot) showShot();
  settings.setFrame(frame);
  timeline.setFrame(frame);
  $("frame").value = frame;
  $("timecode").textContent = timecode(frame);
  $("timeline").setAttribute("aria-valuetext", `frame ${frame}, shot ${here().number}`);
  showWhy();
  clearTimeout(goTo.later);
  goTo.later = setTimeout(() => history.replaceState(null, "", `#${frame}`), 300);
  pictures.wanted();
}

/** Hours, minutes, seconds and frames, as editors count them; of plates of a changing rate by its mean. */
function timecode(at) {
  const rate = Math.max(1, Math.round(plate.rate));
  const seconds = Math.floor(at / rate);
  return [seconds / 3600, (seconds / 60) % 60, seconds % 60, at % rate].map((part) => String(Math.floor(part)).padStart(2, "0")).join(":");
}

function showShot() {
  const shot = here();
  settings.setShot(shot, frame);
  document.querySelectorAll("#list-shots button").forEach((button, index) => {
    const isHere = plate.shots[index] === shot;
    if (isHere === (button.getAttribute("aria-current") === "true")) return;
    button.setAttribute("aria-current", isHere);
    if (isHere) button.scrollIntoView({ block: "nearest" });
  });
  const { preview } = shot;
  $("show-preview").hidden = !preview.is_there;
  $("show-preview").textContent = preview.is_stale ? "Play the preview (before the last change)" : "Play the preview";
  const isOpen = preview.job && ["running", "waiting", "interrupted"].includes(preview.job.state);
  $("make-preview").disabled = isOpen;
  $("make-preview").textContent = isOpen ? "Preview is being made" : "Preview this shot";
  showJob(preview.job);
}

function showJob(job) {
  const place = $("preview-job");
  const isWorthIt = job && !["done"].includes(job.state);
  if (!isWorthIt) { place.replaceChildren(); return; }
  if (!place.querySelector(`[data-job="${job.number}"]`)) place.replaceChildren(jobLine(job));
}

/** The line of a job, which studio.js keeps up to date. */
function jobLine(job) {
  const line = $("job-line").content.cloneNode(true);
  line.querySelector("[data-job]").dataset.job = job.number;
  line.querySelector("[data-job]").dataset.stay = "";
  line.querySelector("a").href = `/jobs#job-${job.number}`;
  line.querySelector("[data-part=state]").textContent = job.state;
  line.querySelector("[data-part=message]").textContent = job.message ?? "";
  return line;
}

// Problems.
const problems = () => plate.problems;

function problemsAt(at) { return problems().filter((each) => at >= each.first && at <= each.last); }

function showWhy(found = problemsAt(frame)) {
  const line = $("why");
  const [first] = found;
  if (!first) { line.replaceChildren(element("span", "soft", plate.lanes.length ? "Nothing is wrong in this frame." : "")); return; }
  line.replaceChildren(
    element("span", `chip ${first.tone}`, first.words),
    element("span", "", `${first.performer}, frames ${first.first} to ${first.last}: ${first.sentence}`),
  );
}

function showOver(at, found) { if (found.length) showWhy(found); else showWhy(); }

function element(name, classes, ...content) {
  const made = document.createElement(name);
  if (classes) made.className = classes;
  made.append(...content);
  return made;
}

function showLists() {
  const byShot = new Map(plate.shots.map((shot) => [shot, []]));
  for (const problem of problems()) {
    for (let shot = shotAt(problem.first); shot && shot.first <= problem.last; shot = plate.shots[shot.number]) byShot.get(shot).push(problem);
  }
  const old = new Map([...document.querySelectorAll("#list-shots button")].map((button) => [button.dataset.shot, button.querySelector("img")]));
  $("list-shots").replaceChildren(...plate.shots.map((shot) => {
    const button = element("button");
    button.type = "button";
    button.dataset.shot = shot.number;
    button.setAttribute("aria-current", shot === here());
    const picture = old.get(String(shot.number)) ?? Object.assign(document.createElement("img"), { alt: "" });
    const words = element("span", "words");
    const found = byShot.get(shot).filter((each) => each.tone !== "soft");
    if (found.length) words.append(element("span", `chip ${found.some((each) => each.tone === "bad") ? "bad" : "warn"}`, `${found.length} problem${found.length > 1 ? "s" : ""}`));
    if (Object.keys(shot.table).length) words.append(element("span", "chip info", "set"));
    if (shot.held.length) words.append(element("span", "chip info", "painted"));
    if (shot.preview.is_there) words.append(element("span", "chip good", shot.preview.is_stale ? "preview, older" : "preview"));
    button.append(picture, element("span", "", element("b", "", `Shot ${shot.number}`), element("span", "soft small", `  ${(shot.ends_s - shot.begins_s).toFixed(1)} s`)), words);
    button.addEventListener("click", () => { stop(); goTo(shot.first); });
    const item = element("li", "", button);
    return item;
  }));
  const all = problems();
  $("list-problems").replaceChildren(...all.slice(0, MOST_LISTED).map((problem) => {
    const button = element("button");
    button.type = "button";
    const mark = element("span", `mark tone-${problem.tone} ${problem.pattern}`);
    button.append(mark, element("span", "", element("b", "", problem.words), element("span", "soft small", `  ${problem.performer}, ${timecode(problem.first)}, ${problem.last - problem.first + 1} frame${problem.last > problem.first ? "s" : ""}`)), element("p", "small", problem.sentence));
    button.addEventListener("click", () => { stop(); goTo(problem.first); });
    return element("li", "", button);
  }));
  $("tab-problems").textContent = `Problems (${all.length.toLocaleString("en")})`;
  if (all.length > MOST_LISTED) $("list-problems").append(element("li", "soft", `${(all.length - MOST_LISTED).toLocaleString("en")} more; the timeline shows all.`));
  if (!all.length) $("list-problems").append(element("li", "soft", "No problems were found in this plate."));
  watchThumbnails();
}

// Thumbnails: those in sight, one at a time, after the frame itself.
const watched = new IntersectionObserver((entries) => {
  entries.filter((entry) => entry.isIntersecting).forEach((entry) => { watched.unobserve(entry.target); due.push(entry.target); });
  loadThumbnails();
});
const due = [];
function watchThumbnails() {
  document.querySelectorAll("#list-shots img:not([src])").forEach((image) => watched.observe(image));
}
async function loadThumbnails() {
  if (loadThumbnails.isAtIt) return;
  loadThumbnails.isAtIt = true;
  while (due.length) {
    while (pictures.wait) await pictures.wait;
    const image = due.shift();
    const shot = plate.shots[Number(image.closest("button")?.dataset.shot) - 1];
    if (!shot) continue;
    try {
      const answer = await fetch(`/shots/frame.jpg?${query}&frame=${shot.first}&side=before&width=144`);
      if (answer.ok) image.src = URL.createObjectURL(await answer.blob());
    } catch { /* the list does without */ }
  }
  loadThumbnails.isAtIt = false;
}

// Playing.
function play(by) {
  speed = by;
  $("play").setAttribute("aria-pressed", Boolean(by));
  $("play").textContent = by ? "Stop" : "Play";
  if (!by || play.runs) return;
  play.runs = true;
  $("took").textContent = "";
  const shown = [];
  let last = performance.now();
  let at = frame;
  const tick = async () => {
    if (!speed) { play.runs = false; return; }
    const now = performance.now();
    // In real time, without those frames that aren't ready by then; at least one after the other.
    const step = Math.max(1, Math.round(((now - last) / 1000) * plate.rate * Math.abs(speed))) * Math.sign(speed);
    last = now;
    at += step;
    const [first, end] = loops ? [here().first, here().last] : [0, plate.frames - 1];
    if (at > end) at = loops ? first : end;
    if (at < first) at = loops ? end : first;
    if (!loops && at === frame) { stop(); play.runs = false; return; }
    goTo(at, { keep: true });
    while (pictures.wait) await pictures.wait;
    shown.push(performance.now());
    while (shown.length > 12) shown.shift();
    if (shown.length > 2) $("took").textContent = `${((shown.length - 1) / ((shown.at(-1) - shown[0]) / 1000)).toFixed(1)} pictures a second`;
    setTimeout(tick, Math.max(0, 1000 / (plate.rate * Math.abs(speed)) - (performance.now() - now)));
  };
  tick();
}
function stop() { play(0); }

// The rendered preview.
const player = $("player");
function showPlayer() {
  stop();
  player.src = `/shots/preview.mp4?${query}&shot=${here().number}&at=${Date.now()}`;
  player.hidden = false;
  $("viewer").classList.add("plays");
  $("show-preview").setAttribute("aria-pressed", true);
  player.play().catch(() => {});
}
function hidePlayer() {
  if (player.hidden) return;
  player.pause();
  player.removeAttribute("src");
  player.hidden = true;
  $("viewer").classList.remove("plays");
  $("show-preview").setAttribute("aria-pressed", false);
}
$("show-preview").addEventListener("click", () => (player.hidden ? showPlayer() : hidePlayer()));
$("make-preview").addEventListener("click", async () => {
  const shot = here();
  $("make-preview").disabled = true;
  try {
    await settings.settled();
    const { job } = await heard(post("/shots/preview", fields({ shot: shot.number, once: crypto.randomUUID() })));
    shot.preview.job = job;
  } catch (error) {
    say(error.message);
  }
  showShot();
});
onJobs(async (jobs) => {
  if (!plate) return;
  if (plate.to_scan.some((each) => each.job && jobs.some((job) => job.number === each.job.number && job.state !== each.job.state && !["running", "waiting"].includes(job.state)))) {
    location.reload();
    return;
  }
  let isChanged = false;
  for (const shot of plate.shots) {
    const { job } = shot.preview;
    const now = job && jobs.find((each) => each.number === job.number);
    if (!now || now.state === job.state) continue;
    shot.preview.job = now;
    isChanged = true;
    if (now.state === "done") {
      Object.assign(shot.preview, { is_there: true, is_stale: false });
      if (shot === here() && !speed) { showShot(); showPlayer(); }
    }
  }
  if (isChanged) { showLists(); showShot(); }
});

// Controls.
function pressed(group, chosen) {
  group.forEach((button) => button.setAttribute("aria-pressed", button === chosen));
}
const views = [...document.querySelectorAll("[data-view]")].filter((each) => each.matches("button"));
function setView(name) {
  viewer.setView(name);
  pressed(views, views.find((button) => button.dataset.view === name));
  pictures.wanted();
}
views.forEach((button) => button.addEventListener("click", () => setView(button.dataset.view)));
const zooms = [...document.querySelectorAll("[data-zoom]")];
function setZoom(value) { viewer.setZoom(value === "fit" ? "fit" : Number(value)); }
zooms.forEach((button) => button.addEventListener("click", () => setZoom(button.dataset.zoom)));
viewer.whenZoomed = (scale) => {
  $("zoom-at").textContent = `${Math.round(scale * 100)}%`;
  pressed(zooms, zooms.find((button) => button.dataset.zoom === String(viewer.zoom)));
};
const spans = [...document.querySelectorAll("[data-span]")];
spans.forEach((button) => button.addEventListener("click", () => {
  pressed(spans, button);
  if (button.dataset.span === "plate") timeline.showAll(); else timeline.showSpan(here().first, here().last + 1);
}));
const ways = { begin: () => here().first, end: () => here().last, back: () => frame - 1, on: () => frame + 1 };
document.querySelectorAll("[data-go]").forEach((button) => button.addEventListener("click", () => { stop(); goTo(ways[button.dataset.go]()); }));
$("play").addEventListener("click", () => play(speed ? 0 : 1));
function setLoop(isOn) { loops = isOn; $("loop").setAttribute("aria-pressed", isOn); }
$("loop").addEventListener("click", () => setLoop(!loops));
$("frame").addEventListener("change", () => { stop(); goTo(Number($("frame").value)); });
for (const name of ["shots", "problems"]) {
  $(`tab-${name}`).addEventListener("click", () => {
    for (const each of ["shots", "problems"]) {
      $(`tab-${each}`).setAttribute("aria-selected", each === name);
      $(`list-${each}`).hidden = each !== name;
    }
  });
}

addEventListener("keydown", (event) => {
  if (!plate || event.target.closest("input, select, textarea, dialog, video") || event.altKey) return;
  const by = event.shiftKey ? 10 : 1;
  const shot = here();
  const next = (way) => problems().filter((each) => (way > 0 ? each.first > frame : each.first < frame)).at(way > 0 ? 0 : -1)?.first ?? frame;
  const moves = {
    ArrowLeft: () => frame - by, ArrowRight: () => frame + by,
    ArrowUp: () => plate.shots[shot.number - 2]?.first ?? shot.first, ArrowDown: () => plate.shots[shot.number]?.first ?? shot.first,
    Home: () => (event.ctrlKey ? 0 : shot.first), End: () => (event.ctrlKey ? plate.frames - 1 : shot.last),
    n: () => next(1), p: () => next(-1),
  };
  const acts = {
    j: () => play(speed < 0 ? speed * 2 : -1), k: stop, l: () => play(speed > 0 ? speed * 2 : 1),
    " ": () => play(speed ? 0 : 1), r: () => setLoop(!loops), f: () => setZoom("fit"), 1: () => setZoom("1"), 2: () => setZoom("2"),
    w: () => setView({ wipe: "before", before: "after", after: "wipe" }[viewer.view]),
  };
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key === "z" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); settings.undo(); return; }
  if (event.ctrlKey && !["Home", "End"].includes(key)) return;
  if (key === " " && event.target.closest("button, a")) return;
  if (moves[key]) { event.preventDefault(); stop(); goTo(moves[key]()); }
  else if (acts[key]) { event.preventDefault(); acts[key](); }
});

$("copy-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = new FormData($("copy-form"));
  try {
    await settings.settled();
    const was = Object.fromEntries(plate.shots.filter((shot) => Object.keys(shot.table).length).map((shot) => [shot.number, shot.table]));
    await heard(post("/shots/copy", fields({ shot: here().number, to: form.get("to"), numbers: form.get("numbers"), was: JSON.stringify(was) })));
    $("copy").close();
    await load();
  } catch (error) {
    $("copy-wrong").hidden = false;
    $("copy-wrong").textContent = error.message;
  }
});

/** A plate that wasn't looked through: one button, and the jobs that do it. */
function showScan() {
  const over = $("over");
  over.hidden = false;
  over.classList.add("large");
  desk.classList.add("unscanned");
  const open = plate.to_scan.filter((each) => each.job && ["running", "waiting", "interrupted"].includes(each.job.state));
  const failed = plate.to_scan.filter((each) => each.job?.state === "failed").map((each) => element("p", "notice bad", each.job.message));
  const button = element("button", "primary", open.length ? "It is being looked through" : "Look through the plate");
  button.type = "button";
  button.disabled = open.length > 0;
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await post("/shots/scan", fields({ once: crypto.randomUUID() }));
      await load();
    } catch (error) {
      over.append(element("p", "notice bad", error.message));
    }
  });
  over.replaceChildren(
    element("b", "", "This plate hasn't been looked through yet"),
    element("p", "soft", `Shots are found, and the faces of ${plate.to_scan.map((each) => each.performer).join(" and ")}. It is done once, in the background, at about the speed of playing or slower; nothing is rendered.`),
    ...failed, button, ...open.map((each) => jobLine(each.job)),
  );
}

async function load() {
  const late = setTimeout(() => say("Reading the plate: all of the file once, so that it is known again by its content."), 600);
  try {
    plate = await heard(ask(`/shots/plate?${query}`));
  } finally {
    clearTimeout(late);
    say("");
  }
  pictures.kept.forEach((_, key) => pictures.forget(key));
  plate.problems = plate.lanes.flatMap((lane) => lane.problems).sort((one, other) => one.first - other.first);
  viewer.setSize(plate.width, plate.height);
  $("facts").textContent = `${plate.width} × ${plate.height}, ${plate.frames.toLocaleString("en")} frames, ${plate.rate.toFixed(2).replace(/\.?0+$/, "")} a second`;
  if (plate.to_scan.length) { showScan(); return; }
  timeline.setPlate(plate);
  settings.setPlate(plate);
  $("frame").max = plate.frames - 1;
  $("make-preview").hidden = plate.kind !== "video";
  const first = plate.first ?? 0;
  frame = Math.min(plate.frames - 1, Number(location.hash.slice(1)) || frame || first);
  showLists();
  goTo(frame);
}

try {
  await load();
} catch (error) {
  say(error.message);
}
