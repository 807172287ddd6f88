// Two quick changes, then undo, of the settings of a shot: without a browser, on elements that only remember who listens.
const element = (name) => ({
  name, listeners: {}, classList: { toggle() {} }, append() {}, replaceChildren() {}, setAttribute() {}, dispatchEvent() {},
  addEventListener(kind, act) { this.listeners[kind] = act; }, querySelectorAll: () => [],
});
globalThis.document = { createElement: element, activeElement: null };
const { Settings } = await import(process.argv[2]);

const [form, undo, reset, saved, title] = ["form", "button", "button", "span", "h2"].map(element);
const settings = new Settings(form, {
  save: async (shot, table) => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    shot.table = table;
    shot.at = Object.fromEntries(Object.values(table).filter((set) => typeof set === "object").flatMap((set) => Object.keys(set).map((at) => [at, Number(at)])));
  },
  tried() {}, saved, undo, reset, title,
});
const setting = (name) => ({ name, label: name, base: 0, minimum: 0, maximum: 1, is_text: false, can_be_keyed: true, meaning: "" });
const plate = { settings: [setting("likeness"), setting("sharpness")], performers: [] };
settings.setPlate(plate);
const [shot, other] = [1, 2].map((number) => ({ number, table: {}, at: {} }));
settings.setShot(shot, 5);
const [likeness, sharpness] = [...settings.rows.values()];
likeness.field.value = "0.4";
likeness.field.listeners.change();
sharpness.key.listeners.click();
likeness.key.listeners.click();
settings.setShot(other, 30);
await settings.settled();
const changed = shot.table;
settings.undo();
settings.undo();
await settings.settled();
const undone = shot.table;
settings.setPlate(plate);
settings.setShot(other, 30);
settings.undo();
await settings.settled();
console.log(JSON.stringify({ changed, undone, of_another_plate: shot.table, other: other.table }));
