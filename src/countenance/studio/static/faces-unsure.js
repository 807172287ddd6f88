// Tracks that may be the person's, asked one at a time; answers are saved together, as a no deletes.
import { ask, post } from "/static/studio.js";
import { base, byId, make, patiently, person, pictureOf, tell, token } from "/static/faces-parts.js";

const section = byId("view-unsure");
const answers = new Map();
let tracks = [], known = [], index = 0, refresh = () => {}, isSaving = false;

/** Whether there are answers that aren't saved. */
export const hasUnsaved = () => answers.size > 0;

/** Ask for what waits, and show the first one. */
export async function showUnsure(andRefresh) {
  refresh = andRefresh;
  try { ({ tracks, known } = await patiently(() => ask(`${base}/waiting`))); } catch (error) { tell(error.message); return; }
  // Of tracks that are decided by now.
  [...answers.keys()].filter((name) => !tracks.some((track) => track.name === name)).forEach((name) => answers.delete(name));
  index = Math.max(tracks.findIndex((track) => !answers.has(track.name)), 0);
  show();
}

const strip = (pictures) => make("div", { class: "pictures" }, ...pictures.map((face) => make("img", { alt: "", src: pictureOf(face, 256) })));
const answered = (word) => [...answers.values()].filter((each) => each === word).length;

function show() {
  const track = tracks[index];
  if (!tracks.length) {
    section.replaceChildren(make("div", { class: "empty" }, make("b", {}, `Every track of ${person} is decided`), make("p", {}, "Tracks appear here where a face may be theirs or not.")));
    return;
  }
  if (!track) { section.replaceChildren(summary()); return; }
  const word = answers.get(track.name);
  const button = (title, key, act, attributes = {}) => {
    const made = make("button", { type: "button", ...attributes }, title, make("kbd", {}, key));
    made.addEventListener("click", act);
    return made;
  };
  section.replaceChildren(make("div", { class: "asked" },
    make("div", { class: "row" }, make("h2", {}, `Is this ${person}?`), make("span", { class: "fill" }), make("span", { class: "soft", role: "status" }, `${index + 1} of ${tracks.length}`)),
    make("progress", { max: tracks.length, value: index, "aria-label": "Asked" }),
    known.length > 0 && make("section", { class: "panel" }, make("header", {}, make("h3", {}, `Identified as ${person}`)), make("div", { class: "body" }, strip(known))),
    make("section", { class: "panel it" }, make("header", {}, make("h3", {}, `Track ${track.name}`), make("span", { class: "small" }, `${track.clip}, ${track.begins_s.toFixed(1)} to ${track.ends_s.toFixed(1)} s, ${track.num_faces} faces · distance ${track.distance.toFixed(3)} · margin ${track.margin.toFixed(3)}`), make("span", { class: "fill" }), word && make("span", { class: `chip ${word === "yes" ? "good" : "bad"}` }, word)),
      make("div", { class: "body" }, track.pictures.length ? strip(track.pictures) : make("p", { class: "soft" }, "No picture of this track is stored."))),
    make("div", { class: "answers" }, button("Yes ", "Y", () => answer("yes"), { class: "primary" }), button("No ", "N", () => answer("no")), button("Skip ", "→", () => go(1), { class: "quiet" }), button("Undo ", "U", undo, { class: "quiet" }), make("span", { class: "fill" }), saveButton()),
    make("p", { class: "small" }, "A yes counts for the whole track and helps with others. After a no, all faces of the track are deleted when you save. Every answer is logged."),
  ));
}

function saveButton() {
  const made = make("button", { type: "button", class: index >= tracks.length ? "primary" : "", disabled: answers.size === 0 || isSaving }, isSaving ? "Saving …" : `Save ${answers.size} answer${answers.size === 1 ? "" : "s"} `, make("kbd", {}, "S"));
  made.addEventListener("click", save);
  return made;
}

function summary() {
  const skipped = tracks.length - answers.size;
  const back = make("button", { type: "button", class: "quiet" }, "Back ", make("kbd", {}, "U"));
  back.addEventListener("click", undo);
  return make("div", { class: "empty" }, make("b", {}, `${answered("yes")} yes, ${answered("no")} no${skipped ? `, ${skipped} skipped` : ""}`), make("p", {}, "Nothing is saved yet. Saving makes the face set again."), make("div", { class: "row" }, back, saveButton()));
}

function answer(word) {
  if (!tracks[index]) return;
  answers.set(tracks[index].name, word);
  go(1);
}
function go(by) {
  index = Math.min(Math.max(index + by, 0), tracks.length);
  show();
}
function undo() {
  if (index === 0) return;
  index -= 1;
  answers.delete(tracks[index].name);
  show();
}

async function save() {
  if (!answers.size || isSaving) return;
  const body = new FormData();
  for (const word of ["yes", "no"]) body.set(word, [...answers].filter(([, each]) => each === word).map(([name]) => name).join(" "));
  body.set("once", token());
  isSaving = true;
  show();
  try {
    const answer_ = await post(`${base}/answer`, body);
    answers.clear();
    tell(answer_.jobs ? `Job ${answer_.jobs.join(", ")} saves it; the page shows when it is done.` : "Saved.", true);
  } catch (error) { tell(error.message); }
  isSaving = false;
  refresh();
  await showUnsure(refresh);
}

/** Keys of this view; whether it was one. */
export function unsureKey(event) {
  if (event.altKey) return false;
  const key = event.key.toLowerCase(), isCommand = event.ctrlKey || event.metaKey;
  if (key === "u" || (isCommand && key === "z")) undo();
  else if (key === "s") save();
  else if (isCommand) return false;
  else if (key === "y") answer("yes");
  else if (key === "n") answer("no");
  else if (key === "arrowright") go(1);
  else if (key === "arrowleft") go(-1);
  else return false;
  return true;
}
