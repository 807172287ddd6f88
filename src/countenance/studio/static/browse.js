// Choosing files and folders on this machine: a dialog that shows what the studio may use.
import { ask } from "/static/studio.js";

const dialog = document.createElement("dialog");
dialog.className = "wide browse";
dialog.setAttribute("aria-labelledby", "browse-title");
dialog.innerHTML = `
  <form method="dialog" class="stack">
    <h2 id="browse-title"></h2>
    <div class="row"><label class="line">Place<select data-part="places"></select></label>
      <button type="button" data-part="up">Up</button><span class="mono fill" data-part="folder"></span></div>
    <div class="browse-list" role="listbox" tabindex="0" aria-label="Files and folders" data-part="list"></div>
    <p class="small" role="status" data-part="message"></p>
    <div class="row"><span class="small fill" data-part="chosen"></span>
      <button type="button" data-part="whole"></button>
      <button type="button" value="" data-part="cancel">Cancel</button>
      <button type="button" class="primary" data-part="take">Choose</button></div>
  </form>`;
document.body.append(dialog);
const part = (name) => dialog.querySelector(`[data-part="${name}"]`);
const list = part("list");

let options = {};
let shown = { folder: null };
let chosen = new Map();
let answer = () => {};
let last = "";

/** Let the user choose; gives the paths, none where the dialog was closed.
 *  kind: media, video, document, any or folder; many: several files; folders: whole folders too. */
export function browse({ title = "Choose", kind = "any", many = false, folders = false } = {}) {
  options = { kind, many, folders: folders || kind === "folder" };
  chosen = new Map();
  part("whole").hidden = !options.folders;
  part("take").hidden = kind === "folder";
  dialog.querySelector("h2").textContent = title;
  list.setAttribute("aria-multiselectable", String(many));
  dialog.showModal();
  open(last);
  return new Promise((resolve) => { answer = resolve; });
}

function end(paths) {
  answer(paths);
  answer = () => {};
  dialog.close();
}

async function open(folder) {
  try {
    shown = await ask(`/browse?kind=${options.kind}${folder ? `&folder=${encodeURIComponent(folder)}` : ""}`);
  } catch (error) {
    part("message").textContent = error.message;
    if (folder && folder === last) { last = ""; open(""); }
    return;
  }
  last = shown.folder;
  part("folder").textContent = shown.folder;
  part("up").disabled = !shown.parent;
  part("whole").textContent = `Choose the folder ${shown.name}`;
  part("places").replaceChildren(...shown.places.map(({ name, path }) => new Option(name, path, false, shown.folder === path || shown.folder.startsWith(`${path}/`))));
  part("message").textContent = shown.left_out ? `${shown.left_out.toLocaleString("en")} more aren't shown: links that lead elsewhere, names that can't be read, or too many.` : "";
  list.replaceChildren(...shown.folders.map(folderLine), ...shown.files.map(fileLine));
  if (!list.children.length) list.append(Object.assign(document.createElement("p"), { className: "soft nothing", textContent: "Nothing here that can be chosen." }));
  else focusOn(list.firstElementChild);
  showChosen();
}

function line(entry, kind, facts) {
  const row = document.createElement("div");
  row.className = `entry ${kind}`;
  row.setAttribute("role", "option");
  row.tabIndex = -1;
  const cells = [entry.name, ...facts].map((text) => Object.assign(document.createElement("span"), { textContent: text }));
  row.append(...cells);
  return row;
}

function folderLine(entry) {
  const row = line(entry, "folder", ["folder", ""]);
  row.setAttribute("aria-label", `Folder ${entry.name}`);
  row.addEventListener("click", () => open(entry.path));
  return row;
}

function fileLine(entry) {
  const row = line(entry, "file", [bytes(entry.bytes), new Date(entry.modified * 1000).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" })]);
  row.setAttribute("aria-selected", String(chosen.has(entry.path)));
  row.dataset.path = entry.path;
  row.addEventListener("click", () => toggle(row, entry));
  row.addEventListener("dblclick", () => end([entry.path]));
  return row;
}

function toggle(row, entry) {
  const was = chosen.has(entry.path);
  if (!options.many) {
    chosen.clear();
    list.querySelectorAll("[aria-selected]").forEach((each) => each.setAttribute("aria-selected", "false"));
  }
  if (was) chosen.delete(entry.path); else chosen.set(entry.path, entry.name);
  row.setAttribute("aria-selected", String(!was));
  focusOn(row);
  showChosen();
}

function showChosen() {
  const names = [...chosen.values()];
  part("chosen").textContent = names.length > 3 ? `${names.length} files` : names.join(", ");
  part("take").disabled = !names.length;
}

function focusOn(row) {
  list.querySelectorAll("[tabindex='0']").forEach((each) => { each.tabIndex = -1; });
  row.tabIndex = 0;
  row.focus();
}

// Keys: up and down, Enter opens or chooses, Space marks, Backspace goes up, letters jump.
list.addEventListener("keydown", (event) => {
  const row = document.activeElement.closest(".entry");
  const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
  if (step && row?.[step]) focusOn(row[step]);
  else if (event.key === "Home" && list.firstElementChild) focusOn(list.firstElementChild);
  else if (event.key === "End" && list.lastElementChild) focusOn(list.lastElementChild);
  else if (event.key === "Backspace" && shown.parent) open(shown.parent);
  else if (event.key === " " && row) row.click();
  else if (event.key === "Enter" && row) {
    if (row.classList.contains("folder")) row.click();
    else end(chosen.size ? [...chosen.keys()] : [row.dataset.path]);
  } else if (event.key.length === 1 && !event.ctrlKey && !event.metaKey) {
    const hit = [...list.querySelectorAll(".entry")].find((each) => each.firstChild.textContent.toLowerCase().startsWith(event.key.toLowerCase()));
    if (hit) focusOn(hit);
    return;
  } else return;
  event.preventDefault();
});

part("places").addEventListener("change", (event) => open(event.target.value));
part("up").addEventListener("click", () => open(shown.parent));
part("whole").addEventListener("click", () => end([shown.folder]));
part("take").addEventListener("click", () => end([...chosen.keys()]));
part("cancel").addEventListener("click", () => end([]));
dialog.addEventListener("close", () => end([]));

function bytes(number) {
  const [unit, factor] = number >= 2 ** 30 ? ["GB", 2 ** 30] : number >= 2 ** 20 ? ["MB", 2 ** 20] : ["kB", 2 ** 10];
  return `${(number / factor).toFixed(factor === 1024 ? 0 : 1)} ${unit}`;
}

// The buttons of the macro `chooser`.
document.querySelectorAll("form[data-browse]").forEach((form) => {
  const button = form.querySelector("button");
  button.addEventListener("click", async () => {
    const { browse: kind, many, folders } = form.dataset;
    const paths = await browse({ title: button.textContent.replace("…", ""), kind, many: many !== undefined, folders: folders !== undefined });
    if (!paths.length) { button.focus(); return; }
    form.querySelectorAll("input[name=path]").forEach((each) => each.remove());
    form.append(...paths.map((path) => Object.assign(document.createElement("input"), { type: "hidden", name: "path", value: path })));
    form.requestSubmit();
  });
});
