// Two pictures of one frame over each other, with a line between them; zoomed and moved as one.

const MOST = 16;

export class Viewer {
  constructor(root) {
    this.root = root;
    this.sheet = root.querySelector(".sheet");
    this.images = { before: root.querySelector(".before"), after: root.querySelector(".after") };
    this.line = root.querySelector(".wipe-line");
    this.size = [16, 9];
    this.zoom = "fit";
    this.middle = [0.5, 0.5];
    this.at = 0.5;
    this.view = "wipe";
    this.whenZoomed = () => {};
    new ResizeObserver(() => this.place()).observe(root);
    this.#listen();
  }

  /** Show a frame: addresses of its pictures, already loaded; without one of them the other alone. */
  show({ before, after }) {
    for (const [side, address] of Object.entries({ before, after })) {
      if (address && this.images[side].src !== address) this.images[side].src = address;
    }
    this.root.classList.toggle("without-after", !after);
    this.place();
  }

  /** Show nothing. */
  clear() { Object.values(this.images).forEach((image) => image.removeAttribute("src")); }

  setSize(width, height) { this.size = [width, height]; this.place(); }

  setView(view) {
    this.view = view;
    this.root.dataset.view = view;
    this.place();
  }

  setZoom(zoom) {
    if (zoom === "fit") this.middle = [0.5, 0.5];
    this.zoom = zoom;
    this.place();
  }

  /** Picture pixels as so many pixels of the screen. */
  get scale() {
    const [width, height] = this.size;
    const fit = Math.min(this.root.clientWidth / width, this.root.clientHeight / height);
    return this.zoom === "fit" ? fit : this.zoom / devicePixelRatio;
  }

  place() {
    const [width, height] = this.size;
    const [room, high] = [this.root.clientWidth, this.root.clientHeight];
    if (!room || !high) return;
    const scale = this.scale;
    const [wide, tall] = [width * scale, height * scale];
    const left = wide <= room ? (room - wide) / 2 : Math.min(0, Math.max(room - wide, room / 2 - this.middle[0] * wide));
    const top = tall <= high ? (high - tall) / 2 : Math.min(0, Math.max(high - tall, high / 2 - this.middle[1] * tall));
    this.placed = { left, top, wide, tall };
    Object.assign(this.sheet.style, { left: `${left}px`, top: `${top}px`, width: `${wide}px`, height: `${tall}px` });
    this.sheet.classList.toggle("sharp", scale * devicePixelRatio >= 2);
    const at = { wipe: this.at, before: 1, after: 0 }[this.view];
    this.images.after.style.clipPath = `inset(0 0 0 ${at * 100}%)`;
    this.line.hidden = this.view !== "wipe";
    this.line.style.left = `${Math.min(room - 1, Math.max(0, left + this.at * wide))}px`;
    this.line.setAttribute("aria-valuenow", Math.round(this.at * 100));
    this.line.setAttribute("aria-valuetext", `${Math.round(this.at * 100)}% of the picture shows before`);
    this.whenZoomed(scale * devicePixelRatio);
  }

  #wipeTo(clientX) {
    const { left, wide } = this.placed;
    const room = this.root.getBoundingClientRect().left;
    this.at = Math.min(1, Math.max(0, (clientX - room - left) / wide));
    this.place();
  }

  #listen() {
    const drag = (start, move) => (event) => {
      if (event.button > 1 || event.target.closest("video, button")) return;
      event.preventDefault();
      start.setPointerCapture(event.pointerId);
      let last = [event.clientX, event.clientY];
      const moved = (next) => { move(next, next.clientX - last[0], next.clientY - last[1]); last = [next.clientX, next.clientY]; };
      start.addEventListener("pointermove", moved);
      start.addEventListener("pointerup", () => start.removeEventListener("pointermove", moved), { once: true });
      start.focus({ preventScroll: true });
    };
    this.line.addEventListener("pointerdown", (event) => {
      event.stopPropagation();
      drag(this.line, (next) => this.#wipeTo(next.clientX))(event);
    });
    this.root.addEventListener("pointerdown", drag(this.root, (_, dx, dy) => this.#move(dx, dy)));
    this.line.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -0.01, ArrowRight: 0.01, PageDown: -0.1, PageUp: 0.1, Home: -1, End: 1 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      this.at = Math.min(1, Math.max(0, this.at + step * (event.shiftKey ? 10 : 1)));
      this.place();
    });
    this.root.addEventListener("wheel", (event) => {
      if (event.target.closest("video")) return;
      event.preventDefault();
      const { left, top, wide, tall } = this.placed;
      const box = this.root.getBoundingClientRect();
      const under = [(event.clientX - box.left - left) / wide, (event.clientY - box.top - top) / tall];
      const fit = Math.min(this.root.clientWidth / this.size[0], this.root.clientHeight / this.size[1]) * devicePixelRatio;
      const zoom = Math.min(MOST, this.scale * devicePixelRatio * Math.exp(-event.deltaY / 300));
      if (zoom <= fit) { this.setZoom("fit"); return; }
      // What lies under the pointer stays there.
      const grown = zoom / (this.scale * devicePixelRatio);
      this.middle = [
        under[0] + (this.root.clientWidth / 2 - (event.clientX - box.left)) / (wide * grown),
        under[1] + (this.root.clientHeight / 2 - (event.clientY - box.top)) / (tall * grown),
      ];
      this.setZoom(zoom);
    }, { passive: false });
  }

  #move(dx, dy) {
    const { wide, tall } = this.placed;
    const within = (part) => Math.min(1, Math.max(0, part));
    this.middle = [within(this.middle[0] - dx / wide), within(this.middle[1] - dy / tall)];
    this.place();
  }
}
