// The plate's timeline, drawn: shots, where each performer's face is replaced, problems, keys, the frame that is shown.

const RULER = 18, SHOTS = 22, NAME = 15, LANE = 20, GAP = 4, KEYS = 16;
const ROW = NAME + LANE + GAP;

export class Timeline {
  constructor(canvas, { whenMoved, whenOver }) {
    this.canvas = canvas;
    this.plate = null;
    this.frame = 0;
    this.from = 0;
    this.to = 1;
    this.whenMoved = whenMoved;
    this.whenOver = whenOver;
    new ResizeObserver(() => this.draw()).observe(canvas.parentElement);
    new MutationObserver(() => this.draw()).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    this.#listen();
  }

  setPlate(plate) {
    this.plate = plate;
    const lanes = Math.max(1, plate.lanes.length);
    this.canvas.style.height = `${RULER + SHOTS + GAP + lanes * ROW + KEYS}px`;
    this.canvas.setAttribute("aria-valuemax", plate.frames - 1);
    if (this.to <= 1) this.showAll(); else this.draw();
  }

  showAll() { this.showSpan(0, this.plate.frames); }

  showSpan(from, to) {
    const least = Math.min(this.plate.frames, 24);
    const wide = Math.max(least, to - from);
    this.from = Math.max(0, Math.min(from, this.plate.frames - wide));
    this.to = Math.min(this.plate.frames, this.from + wide);
    this.draw();
  }

  setFrame(frame) {
    this.frame = frame;
    const wide = this.to - this.from;
    if (frame < this.from || frame >= this.to) this.showSpan(frame - wide / 2, frame + wide / 2);
    this.canvas.setAttribute("aria-valuenow", frame);
    this.draw();
  }

  #x(frame) { return ((frame - this.from) / (this.to - this.from)) * this.canvas.clientWidth; }
  #frameAt(x) { return this.from + (x / this.canvas.clientWidth) * (this.to - this.from); }

  draw() {
    if (!this.plate || this.drawing) return;
    this.drawing = requestAnimationFrame(() => { this.drawing = 0; this.#draw(); });
  }

  #draw() {
    const { canvas, plate } = this;
    const [wide, high] = [canvas.clientWidth, canvas.clientHeight];
    const ratio = devicePixelRatio;
    if (canvas.width !== Math.round(wide * ratio) || canvas.height !== Math.round(high * ratio)) {
      canvas.width = Math.round(wide * ratio);
      canvas.height = Math.round(high * ratio);
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, wide, high);
    const styles = getComputedStyle(canvas);
    const colour = (name) => styles.getPropertyValue(`--${name}`).trim();
    pen.font = `11px ${styles.fontFamily}`;
    pen.textBaseline = "middle";
    this.#ruler(pen, colour, wide);
    this.#shots(pen, colour);
    plate.lanes.forEach((lane, index) => this.#lane(pen, colour, lane, RULER + SHOTS + GAP + index * ROW));
    this.#keys(pen, colour, high);
    const x = this.#x(this.frame);
    const next = Math.max(2, this.#x(this.frame + 1) - x);
    pen.fillStyle = colour("accent");
    pen.globalAlpha = 0.25;
    pen.fillRect(x, 0, next, high);
    pen.globalAlpha = 1;
    pen.fillRect(x, 0, 2, high);
    pen.beginPath();
    pen.moveTo(x - 5, 0);
    pen.lineTo(x + 7, 0);
    pen.lineTo(x + 1, 8);
    pen.fill();
  }

  #ruler(pen, colour, wide) {
    const rate = this.plate.rate;
    const steps = [1 / rate, 0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];
    const seconds = (this.to - this.from) / rate;
    const step = steps.find((each) => (each / seconds) * wide >= 80) ?? 3600;
    pen.fillStyle = colour("soft");
    pen.strokeStyle = colour("line");
    for (let at = Math.ceil(this.from / rate / step) * step; at < this.to / rate; at += step) {
      const x = this.#x(at * rate);
      pen.fillRect(x, RULER - 5, 1, 5);
      const whole = Math.floor(at + 1e-6);
      const words = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60].map((part) => String(part).padStart(2, "0"));
      if (words[0] === "00") words.shift();
      pen.fillText(words.join(":") + (step < 1 ? `.${String(Math.round((at - whole) * 100)).padStart(2, "0")}` : ""), x + 3, RULER / 2);
    }
  }

  #shots(pen, colour) {
    for (const shot of this.plate.shots) {
      const [begin, end] = [this.#x(shot.first), this.#x(shot.last + 1)];
      if (end < 0 || begin > this.canvas.clientWidth) continue;
      const isHere = this.frame >= shot.first && this.frame <= shot.last;
      pen.fillStyle = colour(isHere ? "accent-soft" : shot.number % 2 ? "raised" : "panel");
      pen.fillRect(begin, RULER, Math.max(1, end - begin - 1), SHOTS);
      if (end - begin > 26) {
        pen.fillStyle = colour(isHere ? "ink" : "soft");
        pen.fillText(String(shot.number), Math.max(begin, 0) + 6, RULER + SHOTS / 2);
        if (Object.keys(shot.table).length && end - begin > 60) pen.fillText("set", Math.max(begin, 0) + 28, RULER + SHOTS / 2);
      }
    }
  }

  #lane(pen, colour, lane, above) {
    const top = above + NAME;
    const bar = (first, last) => {
      const begin = Math.max(-2, this.#x(first));
      return [begin, Math.max(1.5, Math.min(this.canvas.clientWidth + 2, this.#x(last + 1)) - begin)];
    };
    pen.fillStyle = colour("sunk");
    pen.fillRect(0, top, this.canvas.clientWidth, LANE);
    pen.fillStyle = colour("good");
    pen.globalAlpha = 0.55;
    const { bins, frames } = this.plate;
    lane.presence.forEach((part, index) => {
      const [first, end] = [bins[index], bins[index + 1] ?? frames];
      if (!part || end < this.from || first > this.to) return;
      const [x, wide] = bar(first, end - 1);
      pen.fillRect(x, top + LANE - part * (LANE - 6) - 3, wide + 0.5, part * (LANE - 6));
    });
    pen.globalAlpha = 1;
    for (const problem of lane.problems) {
      if (problem.last < this.from || problem.first > this.to) continue;
      const [x, wide] = bar(problem.first, problem.last);
      this.#patterned(pen, colour(problem.tone), problem.pattern, x, problem.is_replaced ? top + LANE - 7 : top, wide, problem.is_replaced ? 7 : LANE, colour("sunk"));
    }
    pen.fillStyle = colour("soft");
    pen.fillText(`${lane.performer}: replaced in ${lane.replaced.toLocaleString("en")} of ${this.plate.frames.toLocaleString("en")} frames`, 6, above + NAME / 2);
  }

  /** A span that can be told from others without its colour. */
  #patterned(pen, ink, pattern, x, y, wide, high, ground) {
    pen.save();
    pen.beginPath();
    pen.rect(x, y, wide, high);
    pen.clip();
    pen.fillStyle = ground;
    pen.fillRect(x, y, wide, high);
    pen.fillStyle = pen.strokeStyle = ink;
    if (pattern === "full") pen.fillRect(x, y, wide, high);
    if (pattern === "slant" || pattern === "cross") {
      for (let at = -high; at < wide; at += 6) { pen.beginPath(); pen.moveTo(x + at, y + high); pen.lineTo(x + at + high, y); pen.stroke(); }
    }
    if (pattern === "cross" || pattern === "back") {
      for (let at = -high; at < wide; at += 6) { pen.beginPath(); pen.moveTo(x + at, y); pen.lineTo(x + at + high, y + high); pen.stroke(); }
    }
    if (pattern === "dots") for (let at = 2; at < wide + 4; at += 6) for (let row = 3; row < high; row += 6) pen.fillRect(x + at, y + row, 2, 2);
    if (pattern === "bars") for (let at = 0; at < wide; at += 4) pen.fillRect(x + at, y, 1.5, high);
    pen.fillRect(x, y, wide, 2);
    pen.restore();
  }

  #keys(pen, colour, high) {
    const y = high - KEYS / 2;
    for (const shot of this.plate.shots) {
      if (shot.last < this.from || shot.first > this.to) continue;
      for (const frame of shot.keyed) {
        const x = this.#x(frame + 0.5);
        pen.fillStyle = colour("warn");
        pen.beginPath();
        pen.moveTo(x, y - 5); pen.lineTo(x + 5, y); pen.lineTo(x, y + 5); pen.lineTo(x - 5, y);
        pen.fill();
      }
      pen.fillStyle = colour("info");
      for (const frame of shot.held) pen.fillRect(this.#x(frame + 0.5) - 4, y - 4, 8, 8);
    }
  }

  #listen() {
    const { canvas } = this;
    const moveTo = (event) => this.whenMoved(Math.max(0, Math.min(this.plate.frames - 1, Math.floor(this.#frameAt(event.offsetX)))));
    canvas.addEventListener("pointerdown", (event) => {
      if (!this.plate || event.button) return;
      canvas.setPointerCapture(event.pointerId);
      this.isDragged = true;
      moveTo(event);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.plate) return;
      if (this.isDragged) { moveTo(event); return; }
      const index = Math.floor((event.offsetY - RULER - SHOTS - GAP) / ROW);
      const frame = Math.floor(this.#frameAt(event.offsetX));
      const slack = ((this.to - this.from) / canvas.clientWidth) * 2;
      this.whenOver(frame, (this.plate.lanes[index]?.problems ?? []).filter((each) => frame >= each.first - slack && frame <= each.last + slack));
    });
    canvas.addEventListener("pointerup", () => { this.isDragged = false; });
    canvas.addEventListener("pointerleave", () => this.whenOver(null, []));
    canvas.addEventListener("wheel", (event) => {
      if (!this.plate) return;
      event.preventDefault();
      const wide = this.to - this.from;
      if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        const by = ((event.deltaX || event.deltaY) / canvas.clientWidth) * wide;
        this.showSpan(this.from + by, this.to + by);
        return;
      }
      const at = this.#frameAt(event.offsetX);
      const grown = Math.min(this.plate.frames, Math.max(24, wide * Math.exp(event.deltaY / 300)));
      const part = (at - this.from) / wide;
      this.showSpan(at - part * grown, at + (1 - part) * grown);
    }, { passive: false });
  }
}
