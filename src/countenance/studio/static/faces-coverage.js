// What the face set covers and lacks: numbers and advice beside the whole report.
import { ask, post } from "/static/studio.js";
import { base, byId, fill, make, patiently, tell, token } from "/static/faces-parts.js";

const numbers = byId("coverage-numbers"), frame = byId("coverage-frame"), button = byId("measure");
/** Show what was measured last. */
export async function showCoverage() {
  let found;
  try { found = await patiently(() => ask(`${base}/coverage`)); } catch (error) { tell(error.message); return; }
  button.disabled = false;
  byId("coverage-job").textContent = "";
  if (!found.report) {
    numbers.replaceChildren(make("p", { class: "soft" }, "Not measured yet. It says what this face set covers and lacks, and what to shoot, before an hour of training is spent."));
    frame.replaceChildren();
    return;
  }
  const { verdict, advice } = found.report;
  button.textContent = "Measure again";
  button.classList.toggle("primary", !found.is_current);
  fill(
    numbers,
    !found.is_current && make("p", { class: "notice warn" }, "The face set changed since this was measured."),
    make("p", {}, make("b", {}, verdict)),
    facts(found.report),
    ...advice.map(({ lacks, shoot }) => make("div", { class: "why" }, make("b", {}, lacks), make("span", { class: "small" }, shoot))),
    !advice.length && make("p", { class: "notice good" }, "Nothing is missing that most films need."),
  );
  frame.replaceChildren(make("iframe", { src: `${base}/coverage/page`, title: "Coverage report", sandbox: "" }));
}

function facts({ num_kept: kept, num_left_out: leftOut, num_shots: shots, clips, median_size_px: size, reach }) {
  const lines = {
    Faces: `${kept.toLocaleString("en")} kept, ${leftOut.toLocaleString("en")} left out`,
    "Clips and shots": `${clips.length} and ${shots}`,
    "Usual size": `${Math.round(size)} px`,
    "Turned left, right": `${Math.round(reach.left_deg)}° and ${Math.round(reach.right_deg)}°`,
    "Up, down": `${Math.round(reach.up_deg)}° and ${Math.round(reach.down_deg)}°`,
  };
  return make("dl", { class: "facts" }, ...Object.entries(lines).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
}

button.addEventListener("click", async () => {
  const body = new FormData();
  body.set("once", token());
  button.disabled = true;
  try {
    const { jobs } = await post(`${base}/coverage/measure`, body);
    byId("coverage-job").textContent = `Job ${jobs.join(", ")} measures it …`;
  } catch (error) { tell(error.message); button.disabled = false; }
});
