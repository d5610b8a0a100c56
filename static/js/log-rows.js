// Only the visible rows are in the page. A log longer than a browser can lay out is scrolled through a shorter space:
// small movements are exact, long ones (the thumb of the scroll bar) go by proportion.

import { fill } from "./ansi.js";

const TALLEST = 12_000_000; // pixels; Firefox ends at 17.8 million, Chromium at 33.5 million
const CALM = [30, 80]; // milliseconds between two drawings for what is new: twice what the browser needs to show one, within these
const BAR = 300; // milliseconds between two movements of the scroll bar while the end is followed
const SHORT = 262_144;

export class Rows {
  constructor(root, layout, lines, actions) {
    this.scroll = root.querySelector(".log-scroll");
    this.space = root.querySelector(".log-space");
    this.window = root.querySelector(".log-rows");
    this.layout = layout;
    this.lines = lines;
    this.actions = actions;
    this.height = parseFloat(getComputedStyle(root).getPropertyValue("--log-row")) || 20;
    this.visible = 0;
    this.top = 0; // pixels above the first visible row, in a log that is laid out in full
    this.last = 0;
    this.stretched = 0;
    this.moved = -BAR;
    this.follow = false;
    this.wrap = false;
    this.picked = null;
    this.current = -1;
    this.elements = new Map();
    this.whole = new Map();
    this.frame = 0;
    this.drawn = 0;
    this.calm = CALM[0];
    this.draw = this.draw.bind(this);
    this.scroll.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => {
      this.#measure();
      this.schedule();
    }).observe(this.scroll);
  }

  #measure() {
    this.visible = this.scroll.clientHeight;
    this.scroll.style.setProperty("--log-tall", `${this.visible}px`);
    this.scroll.style.setProperty("--log-wide", `${this.scroll.clientWidth}px`);
  }

  // Draw in the next frame.
  schedule() {
    this.frame ||= requestAnimationFrame(this.draw);
  }

  // Draw for what is new: at once, but not more often than this browser can show it, and not while nobody looks.
  news() {
    if (this.frame || this.resting) return;
    if (document.hidden) this.schedule();
    else this.resting = setTimeout(this.draw, Math.max(0, this.drawn + this.calm - performance.now()));
  }

  get tall() {
    return this.layout.rows * this.height;
  }

  get most() {
    return Math.max(0, this.tall - this.visible);
  }

  // How far the scroll bar goes.
  get room() {
    return Math.max(0, this.stretched - this.visible);
  }

  #scrolled() {
    const now = this.scroll.scrollTop;
    const moved = now - this.last;
    if (Math.abs(moved) < 1) return;
    this.last = now;
    if (this.scroll.clientHeight !== this.visible) {
      this.#measure(); // it became higher or lower, and that moved it, not the reader
      this.schedule();
      return;
    }
    if (now <= 0) this.top = 0;
    else if (now >= this.room - 1) this.top = this.most;
    else if (Math.abs(moved) < 2 * this.visible) this.top += moved;
    else this.top = (now / this.room) * this.most;
    this.top = Math.min(this.most, Math.max(0, this.top));
    this.actions.moved(this.top >= this.most - this.height);
    clearTimeout(this.still);
    this.still = setTimeout(() => this.#bar(), 200);
    this.schedule();
  }

  // Length and place of the scroll bar for `top`, without taking it for a movement of the reader. It only shows where we are: what is
  // drawn hangs on `top` alone.
  #bar() {
    this.moved = performance.now();
    const wanted = Math.min(this.tall, TALLEST);
    if (wanted !== this.stretched) {
      this.space.style.height = `${wanted}px`;
      this.stretched = wanted;
    }
    const place = this.most ? (this.top / this.most) * this.room : 0;
    if (Math.abs(place - this.last) < 1) return;
    this.scroll.scrollTop = place;
    this.last = this.scroll.scrollTop;
  }

  // Show a row, with some lines above it.
  show(row, above = 5) {
    this.follow = false;
    this.top = Math.min(this.most, Math.max(0, (row - above) * this.height));
    this.#bar();
    this.schedule();
  }

  wraps(on) {
    const line = this.follow ? null : this.firstLine();
    this.wrap = on;
    this.space.classList.toggle("log-wrap", on);
    if (line !== null) this.show(this.layout.rowOf(line), 0);
    this.schedule();
    return on;
  }

  firstLine() {
    for (let row = Math.floor(this.top / this.height); row < this.layout.rows; row++) {
      const { line } = this.layout.at(row);
      if (line !== undefined) return line;
    }
    return 0;
  }

  draw() {
    if (this.frame) cancelAnimationFrame(this.frame);
    clearTimeout(this.resting);
    this.frame = this.resting = 0;
    this.drawn = performance.now();
    if (!this.visible) this.#measure();
    this.top = this.follow ? this.most : Math.min(this.top, this.most);
    if (this.drawn > this.moved + BAR) this.#bar();
    const from = Math.floor(this.top / this.height);
    const to = Math.min(this.layout.rows, from + Math.ceil(this.visible / this.height) + 1);
    this.#wanted(from, to);
    this.#render(from, to);
    this.#shift(from, to);
    this.actions.drawn();
    requestAnimationFrame(() => {
      this.calm = Math.min(CALM[1], Math.max(CALM[0], 2 * (performance.now() - this.drawn)));
    });
  }

  #shift(from, to) {
    let shift = from * this.height - this.top;
    if (this.wrap) {
      const end = to === this.layout.rows && this.top >= this.most - 1;
      shift = end ? Math.min(0, this.visible - this.window.scrollHeight) : 0;
    }
    const wanted = `translateY(${shift}px)`;
    if (this.window.style.transform !== wanted) this.window.style.transform = wanted;
  }

  #wanted(from, to) {
    let first = Infinity;
    let last = -1;
    for (let row = from; row < to; row++) {
      const { line } = this.layout.at(row);
      if (line === undefined) continue;
      first = Math.min(first, line);
      last = line;
    }
    if (last >= 0) this.lines.want(first, last);
  }

  // Rows that stay are not touched, so that a selection of text survives.
  #render(from, to) {
    const kept = new Map();
    const wanted = [];
    for (let row = from; row < to; row++) {
      const what = this.layout.at(row);
      const line = what.line === undefined ? undefined : this.#text(what.line);
      const key = what.step ? `step ${what.step.index}` : what.line;
      const old = this.elements.get(key);
      const element = old && !what.step && old.shows === line ? old : this.#build(what, line, old);
      this.#mark(element, what);
      kept.set(key, element);
      wanted.push(element);
    }
    for (const [key, element] of this.elements) if (kept.get(key) !== element) element.remove();
    this.elements = kept;
    let place = this.window.firstChild;
    for (const element of wanted) {
      if (element === place) place = place.nextSibling;
      else this.window.insertBefore(element, place);
    }
  }

  #text(number) {
    return this.whole.get(number) ?? this.lines.get(number);
  }

  #build(what, line, old) {
    if (what.step) return this.actions.header(what.step, what.count, this.layout.folded.has(what.step.index), old);
    const row = document.createElement("div");
    row.className = "log-row";
    row.dataset.line = what.line;
    row.shows = line;
    const number = document.createElement("a");
    number.className = "log-number";
    number.href = `#L${what.line + 1}`;
    number.textContent = what.line + 1;
    const text = document.createElement("span");
    text.className = "log-line";
    text.dir = "ltr";
    if (line === undefined) row.classList.add("log-waiting");
    else fill(text, typeof line === "string" ? line : line[0]);
    row.append(number, text);
    if (Array.isArray(line)) row.append(this.#cut(what.line, line[1]));
    return row;
  }

  // A line that was cut says so. A moderately long one opens here, a very long one is a file to load.
  #cut(number, bytes) {
    const link = document.createElement("a");
    link.className = "log-cut";
    link.href = this.actions.whole(number);
    link.download = "";
    link.textContent = `… show the whole line (${bytes.toLocaleString("en")} bytes)`;
    if (bytes <= SHORT) {
      link.addEventListener("click", (event) => {
        event.preventDefault();
        this.#open(number, link);
      });
    } else link.textContent = `… load the whole line (${bytes.toLocaleString("en")} bytes)`;
    return link;
  }

  async #open(number, link) {
    try {
      const response = await fetch(link.href);
      if (!response.ok || response.redirected) throw new Error(`${response.status}`);
      this.whole.set(number, await response.text());
      for (const old of [...this.whole.keys()].slice(0, -20)) this.whole.delete(old);
      this.schedule();
    } catch {
      link.textContent = "… the whole line could not be loaded, try again";
    }
  }

  #mark(element, what) {
    if (what.step) return;
    const picked = this.picked && what.line >= this.picked[0] && what.line <= this.picked[1];
    element.classList.toggle("log-chosen", Boolean(picked));
    element.classList.toggle("log-current", what.line === this.current);
  }
}
