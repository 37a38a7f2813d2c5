// @ts-check
// Times stand in the page in UTC. Here they become the reader's own, with UTC on hover, and the countdown goes on counting.

const SECONDS = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
const MINUTES = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };

/**
 * An instant as its reader would say it: only the time today, the day otherwise, the year where it is another one.
 * @param {Date} at
 * @param {"second" | "minute" | "day"} fineness
 */
export function inWords(at, fineness) {
  const now = new Date();
  /** @type {Intl.DateTimeFormatOptions} */
  const day = { day: "numeric", month: "short" };
  if (at.getFullYear() !== now.getFullYear()) day.year = "numeric";
  if (fineness === "day") return at.toLocaleDateString("en-GB", { ...day, timeZone: "UTC" });
  const time = at.toLocaleTimeString("en-GB", /** @type {Intl.DateTimeFormatOptions} */ (fineness === "second" ? SECONDS : MINUTES));
  return at.toDateString() === now.toDateString() ? time : `${at.toLocaleDateString("en-GB", day)}, ${time}`;
}

/**
 * Every time below an element in the reader's own.
 * @param {ParentNode} root
 */
export function localise(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const time = /** @type {HTMLTimeElement} */ (element);
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime()) || time.dataset.as === "utc") continue;
    time.title = time.textContent ?? "";
    time.textContent = inWords(at, time.dataset.as === "minute" ? "minute" : "second");
  }
  for (const note of root.querySelectorAll("[data-zone]")) {
    note.textContent = "in your own time zone; hover for UTC";
  }
}

/**
 * A span of time as the sentence writes it: `0:42`, `12:07`, `3:05:00`.
 * @param {number} seconds
 */
export function spanInWords(seconds) {
  const two = (/** @type {number} */ figure) => String(figure).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** Counts the sentence's time down, from the database's clock as the page told it. */
export function countDown() {
  /** @type {WeakMap<Element, number>} */
  const seenAt = new WeakMap();
  setInterval(() => {
    for (const element of document.querySelectorAll("[data-until][data-now]")) {
      const { until, now } = /** @type {HTMLElement} */ (element).dataset;
      const seen = seenAt.get(element) ?? performance.now();
      seenAt.set(element, seen);
      const ahead = new Date(until ?? "").getTime() - new Date(now ?? "").getTime() - (performance.now() - seen);
      if (Number.isNaN(ahead)) continue;
      const left = spanInWords(Math.max(0, Math.ceil(ahead / 1000)));
      const text = element.textContent ?? "";
      const next = text.replace(/\d+:\d\d(:\d\d)?/, left);
      if (next !== text) element.textContent = next;
      if (ahead < -1500 && !element.hasAttribute("data-asked")) {
        element.setAttribute("data-asked", "");
        document.dispatchEvent(new Event("wanted"));
      }
    }
  }, 250);
}
