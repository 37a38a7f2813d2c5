// @ts-check
// Stays up to date: the server says that something has changed, the page is fetched again, and only what differs is put in.

import { inWords } from "./times.js";

const AGAIN_MS = 3_000;
const QUIET_MS = 700;

/**
 * The parts of a page that may change, as the server wrote them.
 * @param {ParentNode} root
 * @returns {Map<string, Element>}
 */
function regions(root) {
  return new Map([...root.querySelectorAll("[data-live][id]")].map((region) => [region.id, region]));
}

/** What can have the focus, in a region that is about to be replaced. */
const FOCUSABLE = "a[href], button, input, select, summary, [tabindex]";

/**
 * Follows what happens, where the page has a place to say so.
 * @param {(region: Element) => void} dress what is done to a part that was put in
 */
export function follow(dress) {
  const sign = document.getElementById("connection");
  const news = document.getElementById("news");
  const address = sign?.dataset.events;
  if (!sign || !address) return;
  /** @type {Map<string, string>} */
  const shown = new Map();
  for (const [id, region] of regions(document)) shown.set(id, region.outerHTML);
  let timer = 0;
  let wanted = false;
  let busy = false;
  let lost = "";

  const say = (/** @type {string} */ state, /** @type {string} */ text) => {
    if (sign.dataset.state === state && sign.textContent === text) return;
    sign.dataset.state = state;
    sign.textContent = text;
  };

  const refresh = async () => {
    timer = 0;
    if (busy || document.hidden) {
      wanted = true;
      return;
    }
    wanted = false;
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
      if (answer.redirected || answer.status === 401) {
        location.reload();
        return;
      }
      if (answer.ok) put(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch {
      // The stream of events notices it as well, and says so.
    } finally {
      busy = false;
      if (wanted) soon();
    }
  };

  // However often something changes, the page is fetched at most so often, and never put off for ever.
  const soon = () => {
    timer ||= setTimeout(refresh, QUIET_MS);
  };

  const put = (/** @type {Document} */ next) => {
    const now = regions(document);
    for (const [id, region] of regions(next)) {
      const old = now.get(id);
      const text = region.outerHTML;
      if (!old || shown.get(id) === text) continue;
      const open = [...old.querySelectorAll("details")].map((details) => details.open);
      const focused = [...old.querySelectorAll(FOCUSABLE)].findIndex((element) => element === document.activeElement);
      const scrolled = [...old.querySelectorAll(".scroll")].map((box) => [box.scrollLeft, box.scrollTop]);
      const fresh = /** @type {Element} */ (document.importNode(region, true));
      old.replaceWith(fresh);
      shown.set(id, text);
      dress(fresh);
      [...fresh.querySelectorAll("details")].forEach((details, place) => (details.open = open[place] ?? details.open));
      [...fresh.querySelectorAll(".scroll")].forEach((box, place) => {
        const [left, top] = scrolled[place] ?? [0, 0];
        box.scrollTo({ left, top });
      });
      const target = focused < 0 ? null : fresh.querySelectorAll(FOCUSABLE)[focused];
      if (target instanceof HTMLElement) target.focus({ preventScroll: true });
      fresh.classList.add("fresh");
      const said = region.querySelector("[data-says]")?.textContent?.trim();
      const before = old.querySelector("[data-says]")?.textContent?.trim();
      // A countdown that went on counting is no news.
      const plain = (/** @type {string | undefined} */ words) => words?.replace(/\d+(:\d\d)+/g, "");
      if (news && said && plain(said) !== plain(before)) news.textContent = said;
    }
    document.dispatchEvent(new Event("refreshed"));
  };

  const connect = () => {
    const source = new EventSource(address);
    source.addEventListener("open", () => {
      say("live", "Live");
      // Whatever happened while nobody listened.
      if (lost) soon();
      lost = "";
    });
    source.addEventListener("changed", soon);
    source.addEventListener("error", () => {
      lost ||= inWords(new Date(), "second");
      say("off", `Not connected since ${lost}`);
      // It tries again by itself after a broken connection, but not after a refusal.
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, AGAIN_MS);
    });
    addEventListener("pagehide", () => source.close(), { once: true });
  };

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && wanted) soon();
  });
  document.addEventListener("wanted", soon);
  sign.hidden = false;
  connect();
}
