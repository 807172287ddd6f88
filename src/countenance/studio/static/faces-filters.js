// Which faces are asked for: state, reason, clip, ranges, and the measure by which is sorted, with its histogram.
import { byId, make, number } from "/static/faces-parts.js";

// What is asked for, as it stands in the address.
let changed = () => {};
const asked = { sort: "frame", reverse: false, where: "", clip: "", ranges: [] };

/** Read what is asked for from the address; `then` is called each time that something else is asked for. */
export function readAddress(then) {
  changed = then;
  const query = new URLSearchParams(location.search);
  Object.assign(asked, {
    sort: query.get("sort") ?? "frame", reverse: query.get("reverse") === "1", where: query.get("where") ?? "",
    clip: query.get("clip") ?? "", ranges: query.getAll("range"),
  });
}

/** What is asked for, as the studio takes it. */
export function queryText() {
  const query = new URLSearchParams();
  if (asked.sort !== "frame") query.set("sort", asked.sort);
  if (asked.reverse) query.set("reverse", "1");
  if (asked.where) query.set("where", asked.where);
  if (asked.clip) query.set("clip", asked.clip);
  asked.ranges.forEach((range) => query.append("range", range));
  return query.toString();
}

function askOtherwise(change) {
  Object.assign(asked, change);
  history.replaceState(null, "", `${location.pathname}?${queryText()}${location.hash}`);
  changed();
}

/** Show what was found, counted: states, reasons, clips, ranges, and how the measure is spread. */
export function showSummary(found) {
  const chip = ({ value, title, count, hint }) => {
    const button = make("button", { type: "button", "aria-pressed": String(asked.where === value), title: hint ?? "" }, title, make("span", { class: "soft" }, number(count)));
    button.addEventListener("click", () => askOtherwise({ where: asked.where === value ? "" : value }));
    return button;
  };
  byId("states").replaceChildren(...found.states.map(chip));
  byId("reasons").replaceChildren(...(found.reasons.length ? found.reasons.map(chip) : [make("span", { class: "small" }, "None.")]));
  const clip = byId("clip");
  clip.replaceChildren(make("option", { value: "" }, "All clips"), ...found.clips.map(({ value, title, count }) => make("option", { value }, `${title} (${number(count)})`)));
  clip.value = found.clips.find(({ value, title }) => value === asked.clip || title === asked.clip)?.value ?? "";
  byId("num-unsure").hidden = !found.num_tracks;
  byId("num-unsure").textContent = number(found.num_tracks);
  byId("sort").value = asked.sort;
  byId("reverse").setAttribute("aria-pressed", String(asked.reverse));
  byId("measure-hint").textContent = byId("sort").selectedOptions[0]?.title ?? "";
  showHistogram(found.histogram);
  byId("ranges").replaceChildren(...asked.ranges.map((range) => {
    const remove = make("button", { type: "button", class: "quiet", "aria-label": `Remove ${range}` }, "×");
    remove.addEventListener("click", () => askOtherwise({ ranges: asked.ranges.filter((each) => each !== range) }));
    return make("div", { class: "range-chip" }, titled(range), remove);
  }));
}

function titled(range) {
  const [measure, limits] = range.split("="), [low, high] = limits.split("..");
  const title = [...byId("sort").options].find((option) => option.value === measure)?.textContent ?? measure;
  return low && high ? `${title} ${low} to ${high}` : low ? `${title} from ${low}` : `${title} up to ${high}`;
}

// The histogram of the measure by which is sorted; a range is drawn with the mouse.
let spread = null;
const svg = byId("histogram");
const shape = (tag, attributes) => { const element = document.createElementNS("http://www.w3.org/2000/svg", tag); Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value)); return element; };
const digits = (value) => Number(value.toPrecision(3));

function showHistogram(histogram) {
  spread = histogram;
  byId("spread").hidden = !histogram;
  if (!histogram) return;
  const most = Math.max(...histogram.counts, 1), width = 240 / histogram.counts.length;
  const range = asked.ranges.find((each) => each.startsWith(`${asked.sort}=`))?.split("=")[1].split("..");
  const [low, high] = [range?.[0] ? Number(range[0]) : -Infinity, range?.[1] ? Number(range[1]) : Infinity];
  const at = (index) => histogram.low + ((index + 0.5) / histogram.counts.length) * (histogram.high - histogram.low);
  svg.replaceChildren(...histogram.counts.map((count, index) => {
    const height = count ? Math.max((count / most) * 60, 1.5) : 0;
    return shape("rect", { class: `bar${at(index) >= low && at(index) <= high ? " in" : ""}`, x: index * width, y: 64 - height, width: width * 0.85, height });
  }));
  byId("low").textContent = digits(histogram.low);
  byId("high").textContent = digits(histogram.high);
}

const place_ = (event) => Math.min(Math.max((event.clientX - svg.getBoundingClientRect().left) / svg.clientWidth, 0), 1);
svg.addEventListener("pointerdown", (event) => {
  const from = place_(event), brush = shape("rect", { class: "brush", y: 0, height: 64, x: from * 240, width: 0 });
  svg.append(brush);
  svg.setPointerCapture(event.pointerId);
  const move = (next) => { const to = place_(next); brush.setAttribute("x", Math.min(from, to) * 240); brush.setAttribute("width", Math.abs(to - from) * 240); };
  const end = (next) => {
    svg.removeEventListener("pointermove", move);
    svg.removeEventListener("pointerup", end);
    const [left, right] = [Math.min(from, place_(next)), Math.max(from, place_(next))];
    const others = asked.ranges.filter((each) => !each.startsWith(`${asked.sort}=`));
    if (right - left < 0.01) { askOtherwise({ ranges: others }); return; }
    const at = (part) => digits(spread.low + part * (spread.high - spread.low));
    // At the ends the bars hold the extremes, too.
    askOtherwise({ ranges: [...others, `${asked.sort}=${left > 0.005 ? at(left) : ""}..${right < 0.995 ? at(right) : ""}`] });
  };
  svg.addEventListener("pointermove", move);
  svg.addEventListener("pointerup", end);
});

byId("sort").addEventListener("change", (event) => askOtherwise({ sort: event.target.value }));
byId("reverse").addEventListener("click", () => askOtherwise({ reverse: !asked.reverse }));
byId("clip").addEventListener("change", (event) => askOtherwise({ clip: event.target.value }));
byId("clear").addEventListener("click", () => askOtherwise({ where: "", clip: "", ranges: [] }));
byId("range-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const [low, high] = [byId("range-low").value.trim(), byId("range-high").value.trim()];
  if (low || high) askOtherwise({ ranges: [...asked.ranges, `${byId("range-measure").value}=${low}..${high}`] });
});
