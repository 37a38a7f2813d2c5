// @ts-check
// What the page does once it is there: local times, pictures, the choice of light or dark, and staying up to date.
// Everything that is shown stands in the page itself; without this script it is the same figures, in UTC and as tables.

import { draw, redraw } from "./charts.js";
import { follow } from "./live.js";
import { startTheme } from "./theme.js";
import { countDown, localise } from "./times.js";

document.documentElement.classList.add("scripted");
localise(document.body);
draw(document.body);
startTheme(redraw);
countDown();
for (const select of document.querySelectorAll("select[data-goes]")) {
  const button = select.parentElement?.querySelector("button");
  if (button) button.hidden = true;
  select.addEventListener("change", () => select.closest("form")?.requestSubmit());
}
follow((region) => {
  localise(region);
  draw(region);
});
