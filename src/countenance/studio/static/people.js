// Releases are read in a dialog; what was typed into a form outlives the page's reload after a dropped file.

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
if (form) {
  const fields = [...form.elements].filter((field) => field.name && field.type !== "hidden" && field.name !== "picture");
  const kept = JSON.parse(sessionStorage.getItem(form.dataset.keeps) ?? "[]");
  kept.forEach(({ value, checked }, index) => { if (fields[index]) Object.assign(fields[index], { value, checked }); });
  addEventListener("pagehide", () => sessionStorage.setItem(form.dataset.keeps, JSON.stringify(fields.map(({ value, checked }) => ({ value, checked })))));
}
