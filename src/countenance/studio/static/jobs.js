// The page Jobs: logs are fetched when they are opened, and again while the job goes on.
import { ask, onJobs } from "/static/studio.js";

async function show(details) {
  const { log } = await ask(`/jobs/${details.dataset.log}`);
  const pre = details.querySelector("pre");
  const isAtEnd = pre.scrollTop + pre.clientHeight >= pre.scrollHeight - 8;
  pre.textContent = log || "Nothing yet.";
  if (isAtEnd) pre.scrollTop = pre.scrollHeight;
}

const logs = [...document.querySelectorAll("details[data-log]")];
logs.forEach((details) => details.addEventListener("toggle", () => details.open && show(details)));
onJobs(() => logs.filter((details) => details.open).forEach(show));
if (location.hash) document.querySelector(`${location.hash} details`)?.setAttribute("open", "");
