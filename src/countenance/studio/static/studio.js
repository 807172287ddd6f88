// What every page does: theme, the light of the queue, lines of jobs, files dropped onto the page, dialogs.

const csrf = document.querySelector("meta[name=csrf]").content;

/** Send something to the studio and give back its JSON; an error of the studio becomes an Error with its line. */
export async function post(address, body, headers = {}) {
  return answered(await fetch(address, {
    method: "POST", body, headers: { "X-CSRF-Token": csrf, Accept: "application/json", ...headers },
  }));
}

/** Ask the studio for JSON. */
export async function ask(address, options = {}) {
  return answered(await fetch(address, { headers: { Accept: "application/json" }, ...options }));
}

async function answered(answer) {
  const isJson = (answer.headers.get("content-type") ?? "").includes("json");
  const value = isJson ? await answer.json() : {};
  if (!answer.ok) throw Object.assign(new Error(value.error?.message ?? `The studio answered with ${answer.status}.`), { code: value.error?.code, facts: value.error?.facts });
  return value;
}

/** Listen for what jobs do: called with the list of all, each time that something changed. */
export function onJobs(listen) {
  listeners.push(listen);
  if (latest) listen(latest);
}
const listeners = [];
let latest = null;

/** Time left as 1:02:03 or 2:03. */
export function clock(seconds) {
  const [hours, minutes, rest] = [seconds / 3600, (seconds / 60) % 60, seconds % 60].map(Math.floor);
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

// Theme.
const theme = document.getElementById("theme");
const showTheme = () => { theme.textContent = document.documentElement.dataset.theme === "dark" ? "Light" : "Dark"; };
theme.addEventListener("click", () => {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  localStorage.setItem("theme", next);
  showTheme();
});
showTheme();

// The queue: one stream, as long as the page is seen. A browser opens six connections to one server at most, so that
// six hidden pages that listen would leave none for a seventh.
let events = null;
function listenIfSeen() {
  if (document.hidden) {
    events?.close();
    events = null;
  } else if (!events) {
    events = new EventSource("/jobs/events");
    events.addEventListener("jobs", hear);
  }
}
function hear(event) {
  const before = latest;
  latest = JSON.parse(event.data);
  showLight(latest);
  latest.forEach(showJob);
  listeners.forEach((listen) => listen(latest));
  if (before) reloadIfEnded(before, latest);
}
listenIfSeen();
document.addEventListener("visibilitychange", listenIfSeen);
addEventListener("pagehide", () => { events?.close(); events = null; });
addEventListener("pageshow", listenIfSeen);

function showLight(jobs) {
  const light = document.getElementById("jobs-light");
  const open = jobs.filter((job) => ["running", "waiting", "interrupted"].includes(job.state));
  const running = open.find((job) => job.state === "running");
  light.classList.toggle("running", Boolean(running));
  light.querySelector(".words").textContent = open.length ? `${open.length} job${open.length > 1 ? "s" : ""}` : "Jobs";
  light.title = running ? running.title : "Nothing is running";
}

const CHIPS = { done: "good", failed: "bad", stopped: "warn", interrupted: "warn", running: "info" };

/** Bring all lines of one job up to date. */
function showJob(job) {
  document.querySelectorAll(`[data-job="${job.number}"]`).forEach((line) => {
    const part = (name) => line.querySelector(`[data-part="${name}"]`);
    const tasks = job.progress?.tasks ?? [];
    // One clip of one says nothing: then its frames tell how far the job is.
    const task = tasks.find(({ total }) => total > 1) ?? tasks.at(-1);
    const told = tasks.map(({ what, done, total, unit }) => `${what}: ${Math.floor(done).toLocaleString("en")} of ${Math.floor(total).toLocaleString("en")} ${unit}`);
    const left = task?.seconds_left;
    line.dataset.state = job.state;
    part("state").textContent = job.is_stopping ? "stopping" : job.state;
    part("state").className = `chip ${CHIPS[job.state] ?? ""}`;
    part("what").textContent = job.state === "running" ? told.join(" · ") : "";
    part("left").textContent = job.state === "running" && left != null ? `${clock(left)} left` : "";
    const bar = part("bar");
    bar.hidden = !["running", "waiting", "interrupted"].includes(job.state);
    if (job.state === "running" && task?.total) bar.value = task.done / task.total; else bar.removeAttribute("value");
    part("message").textContent = job.message ?? "";
  });
}

/** A page that shows what a job makes is loaded again when it ends, but never under somebody's hands. */
function reloadIfEnded(before, now) {
  const ended = (job) => ["done", "failed", "stopped"].includes(job.state);
  const wasOpen = new Set(before.filter((job) => !ended(job)).map((job) => job.number));
  const shown = new Set([...document.querySelectorAll("[data-job]:not([data-stay])")].map((line) => Number(line.dataset.job)));
  if (now.some((job) => ended(job) && wasOpen.has(job.number) && shown.has(job.number))) isOld = true;
  reloadIfFree();
}
let isOld = false;
const typed = new Set();
/** What was typed and isn't sent stays; an open dialog is closed first. */
function reloadIfFree() {
  if (isOld && !typed.size && !document.querySelector("dialog[open]")) location.reload();
}
document.addEventListener("input", (event) => { if (event.target.form) typed.add(event.target.form); });
document.addEventListener("submit", (event) => typed.delete(event.target));
// A dialog's close is heard only on its way down.
document.addEventListener("close", (event) => {
  typed.forEach((form) => { if (event.target.contains(form)) typed.delete(form); });
  reloadIfFree();
}, true);

// Files dropped or chosen: sent as they are, one after another, so that nothing is held in memory.
document.querySelectorAll("[data-drop]").forEach((zone) => {
  const [bar, message, input] = [zone.querySelector("progress"), zone.querySelector("[data-part=message]"), zone.querySelector("input[type=file]")];
  const over = (isOver) => (event) => { event.preventDefault(); zone.classList.toggle("over", isOver); };
  zone.addEventListener("dragover", over(true));
  zone.addEventListener("dragleave", over(false));
  zone.addEventListener("drop", (event) => { over(false)(event); sendAll([...event.dataTransfer.files]); });
  input.addEventListener("change", () => sendAll([...input.files]));

  async function sendAll(files) {
    const wrong = [];
    let go = "";
    for (const [index, file] of files.entries()) {
      message.textContent = `Sending ${file.name} (${index + 1} of ${files.length})`;
      bar.hidden = false;
      try {
        const answer = await send(file);
        go = answer.go ?? go;
      } catch (error) {
        wrong.push(`${file.name}: ${error.message}`);
      }
    }
    bar.hidden = true;
    input.value = "";
    if (zone.dataset.then && wrong.length < files.length) {
      try { await post(zone.dataset.then, new FormData()); } catch (error) { wrong.push(error.message); }
    }
    if (wrong.length) { message.textContent = wrong.join("\n"); message.setAttribute("role", "alert"); }
    else if (go) location.assign(go);
    else location.reload();
  }

  /** With XMLHttpRequest, because fetch doesn't say how much was sent. */
  function send(file) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open("POST", zone.dataset.drop);
      request.setRequestHeader("X-CSRF-Token", csrf);
      request.setRequestHeader("Accept", "application/json");
      request.setRequestHeader("X-File-Name", encodeURIComponent(file.name));
      request.upload.addEventListener("progress", (event) => { bar.value = event.loaded / Math.max(event.total, 1); });
      request.addEventListener("load", () => {
        let value = {};
        try { value = JSON.parse(request.responseText); } catch { /* said below by its status */ }
        if (request.status < 400) resolve(value);
        else reject(new Error(value.error?.message ?? `the studio answered with ${request.status}`));
      });
      request.addEventListener("error", () => reject(new Error("the studio can't be reached; is it still running?")));
      request.send(file);
    });
  }
});
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => event.preventDefault());

// Dialogs are opened by buttons that name them, and closed by their own.
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) document.getElementById(opener.dataset.opens).showModal();
  if (event.target.closest("[data-closes]")) event.target.closest("dialog").close();
  const sure = event.target.closest("[data-sure]");
  if (sure && !confirm(sure.dataset.sure)) event.preventDefault();
});

// A form is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented) return;
  event.submitter?.setAttribute("aria-busy", "true");
  setTimeout(() => event.target.querySelectorAll("button").forEach((button) => { button.disabled = true; }));
});
