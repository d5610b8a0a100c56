// Only the visible rows are in the page. A log longer than a browser can lay out is scrolled through a shorter space:
// small movements are exact, long ones (the thumb of the scroll bar) go by proportion.

import { fill } from "./ansi.js";

const TALLEST = 12_000_000;

export class Rows {
  constructor(root, layout, lines, actions) {
    this.scroll = root.querySelector(".log-scroll");
    this.space = root.querySelector(".log-space");
    this.window = root.querySelector(".log-window");
    this.layout = layout;
    this.lines = lines;
    this.actions = actions;
    this.height = parseFloat(getComputedStyle(root).getPropertyValue("--log-row")) || 20;
    this.top = 0;
    this.last = 0;
    this.follow = false;
    this.wrap = false;
    this.picked = null;
    this.current = -1;
    this.matches = null;
    this.elements = new Map();
    this.frame = 0;
    this.draw = this.draw.bind(this);
    this.scroll.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.schedule()).observe(this.scroll);
  }

  schedule() {
    this.frame ||= requestAnimationFrame(this.draw);
  }

  get visible() {
    return this.scroll.clientHeight;
  }

  get tall() {
    return this.layout.rows * this.height;
  }

  get most() {
    return Math.max(0, this.tall - this.visible);
  }

  #scrolled() {
    const now = this.scroll.scrollTop;
    const moved = now - this.last;
    if (Math.abs(moved) < 1) return;
    this.last = now;
    const room = Math.max(1, this.space.offsetHeight - this.visible);
    if (this.tall <= TALLEST) this.top = now;
    else if (now <= 0) this.top = 0;
    else if (now >= room - 1) this.top = this.most;
    else if (Math.abs(moved) < 2 * this.visible) this.top += moved;
    else this.top = (now / room) * this.most;
    this.top = Math.min(this.most, Math.max(0, this.top));
    this.actions.moved(this.top >= this.most - this.height);
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.#place(), 200);
    this.schedule();
  }

  // The scroll bar's place for `top`, without taking it for a movement of the reader.
  #place() {
    const room = Math.max(0, this.space.offsetHeight - this.visible);
    const wanted = this.tall <= TALLEST ? this.top : this.most ? (this.top / this.most) * room : 0;
    if (Math.abs(wanted - this.scroll.scrollTop) >= 1) this.scroll.scrollTop = wanted;
    this.last = this.scroll.scrollTop;
  }

  // Show a row, with some lines above it.
  show(row, above = 5) {
    this.follow = false;
    this.top = Math.min(this.most, Math.max(0, (row - above) * this.height));
    this.#stretch();
    this.#place();
    this.schedule();
  }

  firstLine() {
    for (let row = Math.floor(this.top / this.height); row < this.layout.rows; row++) {
      const { line } = this.layout.at(row);
      if (line !== undefined) return line;
    }
    return 0;
  }

  #stretch() {
    const wanted = Math.min(this.tall, TALLEST);
    if (wanted !== this.stretched) {
      this.space.style.height = `${wanted}px`;
      this.stretched = wanted;
    }
  }

  draw() {
    this.frame = 0;
    this.#stretch();
    if (this.follow) this.top = this.most;
    this.top = Math.min(this.top, this.most);
    if (this.follow) this.#place();
    const from = Math.floor(this.top / this.height);
    const to = Math.min(this.layout.rows, from + Math.ceil(this.visible / this.height) + 1);
    this.#wanted(from, to);
    this.#render(from, to);
    const end = this.wrap && to === this.layout.rows && this.top >= this.most - 1;
    const shift = end ? Math.min(0, this.visible - this.window.scrollHeight) : this.wrap ? 0 : from * this.height - this.top;
    this.window.style.transform = `translateY(${shift}px)`;
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
      const line = what.line === undefined ? undefined : this.lines.get(what.line);
      const key = what.step ? `step ${what.step.index}` : what.line;
      const old = this.elements.get(key);
      const element = old && !what.step && old.shows === line ? old : this.#build(what, line, old);
      this.#mark(element, what, line);
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
    if (Array.isArray(line)) {
      const cut = document.createElement("span");
      cut.className = "log-cut";
      cut.textContent = `… cut here, the line has ${line[1].toLocaleString("en")} bytes`;
      row.append(cut);
    }
    return row;
  }

  #mark(element, what, line) {
    if (what.step) return;
    const picked = this.picked && what.line >= this.picked[0] && what.line <= this.picked[1];
    element.classList.toggle("log-chosen", Boolean(picked));
    element.classList.toggle("log-found", Boolean(this.matches && line !== undefined && this.matches(line)));
    element.classList.toggle("log-current", what.line === this.current);
  }
}
