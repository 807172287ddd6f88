// The page Publish: the folder is chosen in the dialog of files, and each result's credentials are read when it is seen.
import { browse } from "/static/browse.js";
import { ask } from "/static/studio.js";

const folder = document.getElementById("folder");
document.getElementById("choose-folder")?.addEventListener("click", async () => {
  const [path] = await browse({ title: "Folder for the published file", kind: "folder", many: false, folders: true });
  if (path) folder.value = path;
});

document.querySelectorAll(".parts input:not([type=radio])").forEach((field) => field.addEventListener("input", () => {
  document.querySelector(`.parts input[value="${field.name}"]`).checked = true;
}));

const seen = new IntersectionObserver((entries) => entries.filter((entry) => entry.isIntersecting).forEach(async ({ target }) => {
  seen.unobserve(target);
  try {
    const { look, words } = await ask(target.dataset.credentials);
    target.textContent = words;
    target.classList.toggle("wrong", look === "bad");
  } catch (error) {
    target.textContent = error.message;
  }
}));
document.querySelectorAll("[data-credentials]").forEach((line) => seen.observe(line));
