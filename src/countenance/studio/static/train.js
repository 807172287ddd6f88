// The page Train: the slider over time, live curves and pictures, what training costs, what the faces lack.
import { clock, onJobs } from "/static/studio.js";

const viewer = document.querySelector(".viewer");
const live = document.getElementById("live");

// Pictures over time: links work without this; with it nothing is loaded again.
if (viewer) {
  const slider = viewer.querySelector("input");
  const moments = () => [...live.querySelectorAll(".moments li")].map((item) => item.dataset);
  let row = Number(viewer.querySelector("[aria-current]")?.dataset.row ?? 0);

  const show = () => {
    const { at, words } = moments()[slider.value];
    viewer.querySelector("output").textContent = words;
    slider.setAttribute("aria-valuetext", words);
    viewer.querySelector(".strip").src = `${viewer.dataset.address}/picture/${at}/${row}`;
    viewer.querySelectorAll("[data-row]").forEach((link) => {
      if (Number(link.dataset.row) === row) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current");
      link.firstElementChild.src = `${viewer.dataset.address}/picture/${at}/${link.dataset.row}`;
    });
  };
  slider.addEventListener("input", show);
  viewer.addEventListener("click", (event) => {
    const link = event.target.closest("[data-row]");
    if (!link) return;
    event.preventDefault();
    row = Number(link.dataset.row);
    show();
  });
  document.querySelectorAll("[data-at]").forEach((link) => link.addEventListener("click", (event) => {
    const index = moments().findIndex(({ at }) => at === link.dataset.at);
    if (index < 0) return;
    event.preventDefault();
    slider.value = index;
    show();
  }));
  live.addEventListener("renewed", () => {
    const wasAtEnd = slider.value === slider.max;
    slider.max = moments().length - 1;
    if (wasAtEnd) slider.value = slider.max;
    show();
  });
}

/** Fetch what changes again; where the first picture has come meanwhile, the whole page. */
async function renew() {
  const answer = await fetch(`${location.pathname}/live`, { headers: { Accept: "text/html, application/json" } });
  if (!answer.ok) {
    const { error } = await answer.json();
    // Consent has ended: what was shown goes, and the page says why.
    if (error?.code?.split(".")[0] === "consent") location.reload();
    return;
  }
  live.innerHTML = await answer.text();
  if (!viewer && live.querySelector(".moments li") && !document.querySelector("dialog[open]")) location.reload();
  live.dispatchEvent(new Event("renewed"));
}
const EVERY_MS = 4000;
let isRunning = false;
onJobs((jobs) => {
  const number = Number(document.querySelector("[data-job]")?.dataset.job);
  isRunning = jobs.some((job) => job.number === number && job.state === "running");
});
setInterval(() => isRunning && !document.hidden && renew(), EVERY_MS);
// Who comes back to the page may come after a revocation.
document.addEventListener("visibilitychange", () => live && !document.hidden && renew());

// What it costs, as numbers are chosen.
const start = document.getElementById("start");
if (start) {
  const images = start.elements["train.images"], faces = start.elements["train.faces"], cost = document.getElementById("cost");
  const say = () => {
    const left = images.value - cost.dataset.seen;
    const seconds = Math.max(left, 0) * cost.dataset.imageS + faces.value * cost.dataset.faceS;
    cost.textContent = left > 0 ? `About ${clock(Math.ceil(seconds / 60) * 60)} (h:mm:ss) of one core.` : "All of these images were seen; choose more to go on.";
    if (left > 0 && seconds < 3600) cost.textContent = `About ${Math.ceil(seconds / 60)} minutes of one core.`;
    start.querySelectorAll("[name=preset]").forEach((preset) => { preset.checked = preset.value === images.value; });
  };
  start.addEventListener("change", (event) => {
    if (event.target.name === "preset") images.value = event.target.value;
    say();
  });
  images.addEventListener("input", say);
  say();
}

// What the faces lack may take seconds to measure.
const covered = document.getElementById("covered");
if (covered && (start || document.querySelector("[data-job]"))) {
  const answer = await fetch(covered.dataset.address);
  if (answer.ok) {
    covered.querySelector("[role=status]").remove();
    covered.insertAdjacentHTML("beforeend", await answer.text());
  } else covered.querySelector("[role=status]").textContent = "What the faces cover can't be said now; load the page again.";
}

// The report is made when somebody wants to see it.
document.querySelector("[data-opens=report]")?.addEventListener("click", () => {
  const frame = document.querySelector("#report iframe");
  frame.src ||= frame.dataset.src;
});
