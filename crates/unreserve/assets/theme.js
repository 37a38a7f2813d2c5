// @ts-check
// Light or dark: as the system has it, until somebody chooses. The choice is kept in a cookie, so that the server writes it
// into the next page and no page is ever shown in the wrong one first.

const YEAR_SECONDS = 31_536_000;

function systemTheme() {
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

function currentTheme() {
  return document.documentElement.dataset.theme ?? systemTheme();
}

/**
 * Makes the switch work.
 * @param {() => void} changed called after each change, for whatever has taken colours over
 */
export function startTheme(changed) {
  const button = document.getElementById("theme");
  const say = () => {
    const other = currentTheme() === "dark" ? "light" : "dark";
    button?.querySelector("span")?.replaceChildren(other === "dark" ? "Dark" : "Light");
    button?.setAttribute("aria-label", `Switch to ${other}`);
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    say();
    changed();
  });
  if (!button) return;
  button.hidden = false;
  say();
  button.addEventListener("click", () => {
    const wanted = currentTheme() === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = wanted;
    document.cookie = `unreserve_theme=${wanted}; path=/; max-age=${YEAR_SECONDS}; samesite=strict`;
    say();
    changed();
  });
}
