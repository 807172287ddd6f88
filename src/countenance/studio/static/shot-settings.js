// The settings of one shot: each has one value, or values at keys; what is changed is saved at once, and can be undone.

const STEPS = 200;

export class Settings {
  constructor(form, { save, tried, saved, undo, reset, title }) {
    Object.assign(this, { form, whenSaved: save, whenTried: tried, said: saved, undoButton: undo, resetButton: reset, title });
    this.rows = new Map();
    this.past = [];
    this.frame = 0;
    this.saving = Promise.resolve();
    form.addEventListener("submit", (event) => event.preventDefault());
    undo.addEventListener("click", () => this.undo());
    reset.addEventListener("click", () => this.#change(() => ({})));
  }

  setPlate(plate) {
    this.plate = plate;
    this.shot = null;
    this.past = [];
    this.form.replaceChildren(...plate.settings.map((setting) => this.#row(setting)));
  }

  setShot(shot, frame) {
    this.shot = shot;
    this.frame = frame;
    this.title.textContent = `Shot ${shot.number}`;
    this.#show();
  }

  setFrame(frame) {
    this.frame = frame;
    this.#show();
  }

  /** When all that was changed is saved. */
  settled() { return this.saving; }

  undo() {
    return this.#inTurn(async () => {
      const last = this.past.pop();
      if (last) await this.#save(last.shot, () => last.table);
    });
  }

  /** A setting's value at a frame: evenly from key to key. */
  #value(setting, frame, shot = this.shot) {
    const set = shot.table[setting.name];
    if (set === undefined) return setting.base;
    if (typeof set !== "object") return set;
    const keys = this.#keys(setting, shot);
    const after = keys.findIndex(([at]) => at > frame);
    if (after === 0) return keys[0][1];
    if (after < 0) return keys.at(-1)[1];
    const [[begin, low], [end, high]] = [keys[after - 1], keys[after]];
    return low + ((high - low) * (frame - begin)) / (end - begin);
  }

  /** Frame, value and moment of each key, in order. */
  #keys(setting, shot = this.shot) {
    const set = shot.table[setting.name];
    if (typeof set !== "object") return [];
    return Object.entries(set).map(([moment, value]) => [shot.at[moment] ?? Number(moment), value, moment]).sort((one, other) => one[0] - other[0]);
  }

  #row(setting) {
    const id = `set-${setting.name}`;
    const row = document.createElement("div");
    row.className = "setting";
    const head = element("div", { className: "row" });
    const label = element("label", { htmlFor: id, textContent: setting.label });
    const reset = button("↺", `Reset ${setting.label}`, () => this.#change((table) => without(table, setting.name)));
    head.append(label);
    const parts = { row, reset };
    if (setting.can_be_keyed) {
      parts.before = button("‹", `${setting.label}: key before`, () => this.#jump(setting, -1));
      parts.key = button("◆", `${setting.label}: key at this frame`, () => this.#toggleKey(setting));
      parts.after = button("›", `${setting.label}: next key`, () => this.#jump(setting, 1));
      head.append(parts.before, parts.key, parts.after);
    }
    head.append(reset);
    row.append(head);
    row.append(setting.is_text ? this.#people(setting, id, parts) : this.#number(setting, id, parts));
    parts.wrong = element("p", { className: "small wrong", id: `${id}-wrong` });
    parts.wrong.setAttribute("role", "alert");
    const [first, ...rest] = setting.meaning.split(/(?<=[.;:]) /);
    const meaning = element("p", { className: "small", textContent: setting.meaning });
    if (rest.length && setting.meaning.length > 90) {
      const more = document.createElement("details");
      more.className = "small";
      more.append(element("summary", { textContent: first.replace(/[;:]$/, ".") }), element("p", { textContent: rest.join(" ") }));
      row.append(parts.wrong, more);
    } else row.append(parts.wrong, meaning);
    this.rows.set(setting, parts);
    return row;
  }

  #number(setting, id, parts) {
    const step = (setting.maximum - setting.minimum) / STEPS;
    const isLong = setting.maximum > 60;
    const both = element("div", { className: "row" });
    const field = element("input", { type: "number", id, min: setting.minimum, max: setting.maximum, step: "any" });
    field.setAttribute("aria-describedby", `${id}-wrong`);
    field.addEventListener("change", () => this.#set(setting, field.value === "" ? field.value : Number(field.value)));
    parts.field = field;
    if (!isLong) {
      const slider = element("input", { type: "range", min: setting.minimum, max: setting.maximum, step });
      slider.setAttribute("aria-label", setting.label);
      slider.addEventListener("input", () => {
        field.value = rounded(slider.value, step);
        this.whenTried([`shot.${setting.name}=${rounded(slider.value, step)}`]);
      });
      slider.addEventListener("change", () => this.#set(setting, rounded(slider.value, step)));
      parts.slider = slider;
      both.append(slider);
    }
    both.append(field);
    return both;
  }

  #people(setting, id, parts) {
    const box = document.createElement("div");
    const choice = element("select", { id });
    choice.setAttribute("aria-describedby", `${id}-wrong`);
    choice.append(new Option("everybody chosen", "all"), new Option("nobody: as filmed", "nobody"), new Option("only some of them", "some"));
    const names = element("div", { className: "people" });
    const read = () => {
      const some = [...names.querySelectorAll("input:checked")].map((each) => each.value);
      this.#set(setting, choice.value === "some" ? some.join(", ") || "nobody" : choice.value);
    };
    for (const performer of this.plate.performers) {
      const tick = element("input", { type: "checkbox", value: performer });
      tick.addEventListener("change", read);
      const line = element("label", { className: "line" });
      line.append(tick, element("span", { textContent: performer }));
      names.append(line);
    }
    choice.addEventListener("change", () => {
      if (choice.value === "some") { names.hidden = false; names.querySelectorAll("input").forEach((each) => { each.checked = true; }); }
      read();
    });
    Object.assign(parts, { choice, names });
    if (this.plate.performers.length < 2) choice.options[2].hidden = true;
    box.append(choice, names);
    return box;
  }

  #show() {
    if (!this.shot) return;
    this.undoButton.disabled = !this.past.length;
    this.resetButton.disabled = !Object.keys(this.shot.table).length;
    for (const [setting, parts] of this.rows) {
      const value = this.#value(setting, this.frame);
      const set = this.shot.table[setting.name];
      const keys = this.#keys(setting);
      parts.row.classList.toggle("is-set", set !== undefined && !keys.length);
      parts.row.classList.toggle("is-keyed", keys.length > 0);
      parts.reset.disabled = set === undefined;
      if (parts.key) {
        const isKey = keys.some(([at]) => at === this.frame);
        parts.key.setAttribute("aria-pressed", isKey);
        parts.key.title = isKey ? "Remove the key at this frame" : "Set a key at this frame";
        parts.before.disabled = !keys.some(([at]) => at < this.frame);
        parts.after.disabled = !keys.some(([at]) => at > this.frame);
      }
      if (setting.is_text) {
        const isSome = !["all", "nobody"].includes(value);
        const names = value.split(",").map((name) => name.trim());
        parts.choice.value = isSome ? "some" : value;
        parts.names.hidden = !isSome;
        parts.names.querySelectorAll("input").forEach((each) => { each.checked = value === "all" || names.includes(each.value); });
      } else if (document.activeElement !== parts.field) {
        parts.field.value = Number(value.toFixed(4));
        if (parts.slider) parts.slider.value = value;
      }
    }
  }

  #set(setting, value) {
    const { shot, frame } = this;
    return this.#change((table) => {
      const keys = this.#keys(setting, shot);
      if (keys.length) return { ...table, [setting.name]: { ...without(table[setting.name], keys.find(([at]) => at === frame)?.[2]), [frame]: value } };
      return value === setting.base ? without(table, setting.name) : { ...table, [setting.name]: value };
    }, setting);
  }

  #toggleKey(setting) {
    const { shot, frame } = this;
    return this.#change((table) => {
      const keys = this.#keys(setting, shot);
      const here = keys.find(([at]) => at === frame);
      if (!here) {
        const value = Number(this.#value(setting, frame, shot).toFixed(4));
        return { ...table, [setting.name]: { ...(keys.length ? table[setting.name] : {}), [frame]: value } };
      }
      // Without its last key a setting keeps the value that it had there.
      const rest = without(table[setting.name], here[2]);
      return { ...table, [setting.name]: Object.keys(rest).length ? rest : here[1] };
    }, setting);
  }

  #jump(setting, way) {
    const others = this.#keys(setting).map(([at]) => at).filter((at) => (way < 0 ? at < this.frame : at > this.frame));
    if (others.length) this.form.dispatchEvent(new CustomEvent("jump", { detail: way < 0 ? others.at(-1) : others[0], bubbles: true }));
  }

  /** Change what is set for the shot that is shown now: `edit` makes the new table of what is saved when its turn comes. */
  #change(edit, setting = null) {
    const { shot } = this;
    return this.#inTurn(async () => {
      const before = { shot, table: shot.table };
      if (await this.#save(shot, edit, setting)) this.past.push(before);
    });
  }

  /** One after another, so that each change is made to what the one before it left. */
  #inTurn(act) {
    this.saving = this.saving.then(act).then(() => this.#show());
    return this.saving;
  }

  async #save(shot, edit, setting = null) {
    this.said.textContent = "Saving";
    this.rows.forEach((parts) => { parts.wrong.textContent = ""; });
    try {
      this.whenTried([]);
      await this.whenSaved(shot, edit(shot.table));
      this.said.textContent = "Saved";
      return true;
    } catch (error) {
      this.said.textContent = "Not saved";
      const name = error.facts?.setting?.split(".").at(-1);
      const parts = [...this.rows].find(([each]) => (name ? each.name === name : each === setting))?.[1];
      if (parts) parts.wrong.textContent = error.message; else this.said.textContent = error.message;
      return false;
    }
  }
}

const without = (table, name) => Object.fromEntries(Object.entries(table).filter(([each]) => each !== name));
const rounded = (value, step) => Number(Number(value).toFixed(Math.max(0, Math.ceil(-Math.log10(step)))));
const element = (name, properties) => Object.assign(document.createElement(name), properties);

function button(text, words, act) {
  const made = element("button", { type: "button", className: "quiet", textContent: text, title: words });
  made.setAttribute("aria-label", words);
  made.addEventListener("click", act);
  return made;
}
