// Before anything is drawn: the theme that was chosen, or the system's.
const chosen = localStorage.getItem("theme");
const wantsLight = matchMedia("(prefers-color-scheme: light)").matches;
document.documentElement.dataset.theme = chosen ?? (wantsLight ? "light" : "dark");
