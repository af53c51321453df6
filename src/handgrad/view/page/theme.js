// Light or dark: the system's, until the reader turns it; on paper light.

const SYSTEM = matchMedia("(prefers-color-scheme: dark)");

const root = document.documentElement;
const setLight = (/** @type {string} */ theme) => (root.dataset.theme = theme);
const asSystem = () => setLight(SYSTEM.matches ? "dark" : "light");

export function followSystem() {
  SYSTEM.onchange = asSystem;
  asSystem();
}

export function turnLight() {
  SYSTEM.onchange = null;
  setLight(root.dataset.theme === "dark" ? "light" : "dark");
}
