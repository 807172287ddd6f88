// What the modules of the page Faces share.

export const byId = (id) => document.getElementById(id);
export const root = byId("faces");
export const person = root.dataset.person;
export const base = `/faces/${encodeURIComponent(person)}`;

/** A count with its thousands apart. */
export const number = (value) => value.toLocaleString("en");

let count = 0;
/** Another one for each thing that is sent, so that what is sent twice is done once. */
export const token = () => `${root.dataset.once}-${count += 1}`;

/** Where a face's picture is. */
export const pictureOf = (face, pixels) => `${base}/${face.name}.jpg?size=${pixels}&v=${face.version}`;

/** Say something in a line below the bar; an empty text takes it away. */
export function tell(text, isGood = false) {
  byId("told").textContent = text;
  byId("told").className = isGood ? "told good" : "told";
  byId("told").hidden = !text;
}

/** Make an element with attributes and children; those that are null or false are left out. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
  element.append(...given(children));
  return element;
}

/** Put children into an element in place of those that it has. */
export const fill = (element, ...children) => element.replaceChildren(...given(children));

const given = (children) => children.filter((child) => child != null && child !== false);

/** Another command may write at the same moment: asked again twice. */
export async function patiently(request) {
  for (let tries = 0; ; tries += 1) {
    try { return await request(); } catch (error) {
      if (tries === 2) throw error;
      await new Promise((resolve) => setTimeout(resolve, 150 * (tries + 1)));
    }
  }
}
