// Finding a text in the whole log: the server scans, the page marks what is visible and goes from line to line.

import { ask } from "./log-lines.js";

const PAUSE = 250;
const ENOUGH = 20_000;

export class Search {
  // `go(line)` shows a line, `marked()` draws again, `here()` is the line to search on from, `total()` how many there are.
  constructor(root, address, { go, marked, here, total }) {
    Object.assign(this, { address, go, marked, here, total });
    this.needle = root.querySelector("#log-needle");
    this.exact = root.querySelector("#log-case");
    this.count = root.querySelector(".log-count");
    this.buttons = root.querySelectorAll("[data-do=next], [data-do=previous]");
    this.#forget();
    this.needle.addEventListener("input", () => this.#later());
    this.exact.addEventListener("change", () => this.#later());
    root.querySelector(".log-search").addEventListener("submit", (event) => event.preventDefault());
    this.needle.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      this.step(event.shiftKey ? -1 : 1);
    });
  }

  get text() {
    return this.needle.value;
  }

  // The pattern that marks matches on the page, or null.
  get pattern() {
    if (!this.text) return null;
    return new RegExp(this.text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), this.exact.checked ? "gu" : "giu");
  }

  clear() {
    this.needle.value = "";
    this.#begin();
  }

  #forget() {
    this.found = [];
    this.at = -1;
    this.cursor = "";
    this.after = -1;
    this.scanned = false;
    this.failed = false;
    this.scanning = null;
  }

  #later() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.#begin(), PAUSE);
  }

  #begin() {
    clearTimeout(this.waiting);
    this.waiting = null;
    this.#forget();
    this.marked();
    this.#tell();
    if (this.text) this.#scan(ENOUGH);
  }

  // Scan on until so many lines are found, or the end. Calls join one another; a newer text ends an older scan.
  #scan(enough) {
    const found = this.found;
    this.failed = false;
    this.scanned = false;
    this.scanning ??= this.#scanOn(enough, found)
      .catch(() => {
        if (found === this.found) this.failed = true;
      })
      .finally(() => {
        if (found !== this.found) return;
        this.scanning = null;
        this.#tell();
      });
    this.#tell();
    return this.scanning;
  }

  async #scanOn(enough, found) {
    const total = this.total();
    while (found === this.found && found.length < enough) {
      const query = new URLSearchParams({ q: this.text, cursor: this.cursor, after: this.after });
      if (this.exact.checked) query.set("case", "1");
      const answer = await ask(`${this.address}?${query}`);
      if (found !== this.found) return;
      found.push(...answer.lines);
      this.cursor = answer.cursor;
      if (!this.cursor) {
        this.scanned = true;
        // The last line may still grow, so it is looked at again when there are more.
        this.after = Math.max(found.at(-1) ?? -1, total - 2);
        return;
      }
      this.#tell();
    }
  }

  // To the next match (1) or the one before (-1), over the ends.
  async step(direction) {
    if (!this.text) return;
    if (this.waiting) this.#begin();
    const here = this.at >= 0 ? this.found[this.at] : this.here() - (direction > 0 ? 1 : 0);
    let next = this.#beyond(here, direction);
    while (next === undefined && (!this.scanned || (direction > 0 && this.after < this.total() - 2))) {
      const found = this.found;
      await this.#scan(found.length + ENOUGH);
      if (found !== this.found || this.failed) return;
      next = this.#beyond(here, direction);
    }
    if (next === undefined) next = direction > 0 ? 0 : this.found.length - 1;
    if (!this.found.length) return;
    this.at = next;
    this.#tell();
    this.go(this.found[next]);
  }

  #beyond(line, direction) {
    const index = direction > 0 ? this.found.findIndex((one) => one > line) : this.found.findLastIndex((one) => one < line);
    return index < 0 ? undefined : index;
  }

  #tell() {
    const number = this.found.length.toLocaleString("en");
    const lines = `${number}${this.scanned ? "" : "+"} ${this.found.length === 1 ? "line" : "lines"}`;
    let text = "";
    if (this.failed) text = "The log could not be searched. Try again.";
    else if (this.at >= 0) text = `${(this.at + 1).toLocaleString("en")} of ${lines}`;
    else if (this.scanned) text = this.found.length ? lines : "Not in the log";
    else if (this.scanning) text = this.found.length ? `${lines}, searching …` : "Searching …";
    else if (this.found.length) text = lines;
    this.count.textContent = text;
    for (const button of this.buttons) button.disabled = !this.found.length;
  }
}

// Marks what matches in the visible lines, without touching them.
export function mark(element, pattern) {
  if (!globalThis.CSS?.highlights || (!pattern && !CSS.highlights.has("log-match"))) return;
  const ranges = [];
  for (const line of pattern ? element.querySelectorAll(".log-line") : []) {
    for (const match of line.textContent.matchAll(pattern)) ranges.push(range(line, match.index, match.index + match[0].length));
    if (ranges.length > 2000) break;
  }
  if (pattern) CSS.highlights.set("log-match", new Highlight(...ranges));
  else CSS.highlights.delete("log-match");
}

function range(line, begin, end) {
  const found = document.createRange();
  const texts = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
  let before = 0;
  while (texts.nextNode()) {
    const node = texts.currentNode;
    if (begin >= before && begin <= before + node.length) found.setStart(node, begin - before);
    if (end >= before && end <= before + node.length) {
      found.setEnd(node, end - before);
      break;
    }
    before += node.length;
  }
  return found;
}
