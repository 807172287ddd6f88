// Releases are read in a dialog. What was typed into a draft outlives the reload after a dropped file, and is shown as
// the sentences that would be signed.

import { post } from "/static/studio.js";

const reader = document.getElementById("reader");
reader?.addEventListener("close", () => { reader.querySelector("iframe").src = "about:blank"; });
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-reads]");
  if (!reader || !link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  reader.querySelector("h2").textContent = link.dataset.reads;
  reader.querySelector("#reader-alone").href = link.href;
  reader.querySelector("iframe").src = link.href;
  reader.showModal();
});

const form = document.querySelector("form[data-keeps]");
if (!form) sessionStorage.removeItem("draft");
else {
  const fields = [...form.elements].filter((field) => field.name && field.type !== "hidden" && field.name !== "picture");
  const kept = JSON.parse(sessionStorage.getItem(form.dataset.keeps) ?? "[]");
  kept.forEach(({ value, checked }, index) => { if (fields[index]) Object.assign(fields[index], { value, checked }); });
  addEventListener("pagehide", () => sessionStorage.setItem(form.dataset.keeps, JSON.stringify(fields.map(({ value, checked }) => ({ value, checked })))));

  const [list, state] = [document.getElementById("sentences"), document.getElementById("words-state")];
  let timer = 0;
  let shown = [];
  const show = async () => {
    try {
      const { sentences } = await post("/people/draft/words", new FormData(form));
      list.replaceChildren(...sentences.map((sentence) => {
        const item = document.createElement("li");
        item.textContent = sentence;
        item.classList.toggle("new", shown.length > 0 && !shown.includes(sentence));
        return item;
      }));
      shown = sentences;
      state.textContent = "These sentences are part of what is signed. What changed last is marked.";
    } catch (error) {
      state.textContent = `Not yet: ${error.message}.`;
    }
  };
  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(show, 400); });
  show();
}
