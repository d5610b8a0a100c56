// The log of an operation on its page. Only what is visible is in the page; everything a command printed is text, never markup.

import { palette } from "./ansi.js";
import { Layout } from "./log-layout.js";
import { ask, Lines } from "./log-lines.js";
import { copy, described, fromAddress, text, toAddress } from "./log-picks.js";
import { Rows } from "./log-rows.js";
import { mark, Search } from "./log-search.js";
import { duration, Header } from "./log-steps.js";
import { Stream } from "./log-stream.js";

const FINAL = ["succeeded", "failed", "cancelled", "stale", "rejected", "expired", "discarded", "ended"];
const NUMBERS = new Intl.NumberFormat("en");
const KEYS = { f: "follow", w: "wrap", n: "next", N: "previous" };

class Log {
  constructor(root) {
    this.root = root;
    this.live = root.querySelector(".log-live");
    this.folder = root.closest("details");
    const start = JSON.parse(root.querySelector("#log-start").textContent);
    this.addresses = start.addresses;
    this.summary = { ...start, lines: undefined };
    this.ahead = start.now * 1000 - Date.now();
    this.layout = new Layout();
    this.lines = new Lines(start.addresses.lines, () => this.rows.schedule());
    this.header = new Header((index) => this.fold(index), () => this.now());
    this.rows = new Rows(this.live, this.layout, this.lines, {
      header: (...what) => this.header.row(...what),
      moved: (atEnd) => this.follow(atEnd),
      drawn: () => this.drawn(),
      whole: (line) => `${this.addresses.raw}?line=${line}`,
    });
    this.search = new Search(this.live, start.addresses.search, {
      go: (line) => this.show(line, true),
      marked: () => this.rows.schedule(),
      here: () => this.rows.firstLine(),
      total: () => this.lines.total,
    });
    this.stream = new Stream(start.addresses, {
      after: () => this.lines.next,
      event: (kind, payload) => this[`on_${kind}`](payload),
      state: (name, since) => this.connection(name, since),
    });
    this.lines.take(start);
    this.#begin(start.at);
  }

  #begin(wrong) {
    this.root.querySelector(".log-plain").hidden = true;
    this.live.hidden = false;
    palette();
    this.changed();
    this.#listen();
    this.follow(true);
    this.address(wrong);
    this.rows.draw();
    if (FINAL.includes(this.summary.state)) this.stream.close("ended");
    else this.stream.open();
    this.tick();
  }

  #listen() {
    this.live.addEventListener("click", (event) => this.clicked(event));
    this.root.addEventListener("keydown", (event) => this.pressed(event));
    window.addEventListener("hashchange", () => this.address());
    document.addEventListener("selectionchange", () => {
      const selection = document.getSelection();
      if (!selection.isCollapsed && this.rows.window.contains(selection.anchorNode)) this.follow(false);
    });
  }

  now() {
    return (Date.now() + this.ahead) / 1000;
  }

  // What came by the stream. Other parts of the page hear of it as events of the document.

  on_log(payload) {
    const step = this.summary.steps.find((one) => one.index === payload.step);
    if (step && step.first === null) step.first = payload.begins;
    this.lines.take(payload);
    this.summary.bytes = Math.max(this.summary.bytes, payload.bytes);
    this.changed();
  }

  on_operation(payload) {
    const before = this.summary;
    this.summary = { ...before, ...payload };
    if (payload.steps) {
      for (const step of payload.steps) {
        const old = before.steps.find((one) => one.index === step.index);
        if (old?.state !== step.state) this.dispatch("step", { index: step.index, state: step.state });
      }
    }
    if (!payload.steps || before.state !== payload.state) this.dispatch("operation", payload);
    if (!payload.steps) this.ask();
    this.changed();
  }

  on_step(payload) {
    const step = this.summary.steps.find((one) => one.index === payload.index);
    if (step && payload.state) step.state = payload.state;
    this.dispatch("step", payload);
    this.ask();
  }

  on_progress(payload) {
    const step = this.summary.steps.find((one) => one.index === payload.index);
    if (step) step.progress = payload;
    this.dispatch("progress", payload);
    this.rows.news();
  }

  on_end(payload) {
    if (payload.reason) return;
    this.ask();
    this.dispatch("end", payload);
  }

  dispatch(kind, detail) {
    document.dispatchEvent(new CustomEvent(`portal:${kind}`, { detail }));
  }

  // Times, and steps that are new, are asked for: an event only says that something changed.
  ask() {
    clearTimeout(this.asking);
    this.asking = setTimeout(async () => {
      try {
        const { operation } = await ask(`${this.addresses.lines}?after=${this.lines.total}`);
        this.summary = { ...this.summary, ...operation };
        this.changed();
      } catch {
        // The next event asks again.
      }
    }, 50);
  }

  changed() {
    this.layout.update(this.summary.steps, this.lines.total);
    this.rows.news();
  }

  // What stands around the rows changes with them. A part of the page that was folded over an empty log opens with the first line.
  drawn() {
    if (this.lines.total && this.folder) this.folder.open = true;
    if (this.lines.total) this.folder = null;
    mark(this.rows.window, this.search.pattern);
    if (this.root.dataset.state !== this.summary.state) this.root.dataset.state = this.summary.state;
    const size = `${NUMBERS.format(this.lines.total)} ${this.lines.total === 1 ? "line" : "lines"}`;
    put(this.live.querySelector(".log-size"), size);
    put(this.root.querySelector(".log-marker"), this.summary.marker);
    this.root.querySelector(".log-marker").hidden = !this.summary.marker;
    this.root.classList.toggle("log-none", !this.lines.total);
    const empty = this.live.querySelector(".log-empty");
    empty.hidden = this.lines.total > 0 || this.layout.rows > 0;
    const { nothing = "Nothing was printed.", empty: soon = "Nothing was printed yet. Lines appear here as the commands print them." } = this.root.dataset;
    put(empty, FINAL.includes(this.summary.state) ? nothing : soon);
    this.live.querySelector("[data-do=fold]").disabled = !this.layout.steps.length;
  }

  connection(name, since) {
    if (this.connected === name && name !== "lost") return;
    this.connected = name;
    const at = since?.toLocaleTimeString("en-GB");
    const says = {
      live: "Live",
      asking: "Live, asked every few seconds",
      lost: `Not connected since ${at}. Connecting again …`,
      ended: "Ended",
      "signed out": "You are signed out, so nothing new is shown. Load the page again to sign in.",
    };
    const place = this.live.querySelector(".log-connection");
    place.dataset.state = name;
    put(place, says[name]);
  }

  // Once a second while something runs: its clock, and those of the running steps.
  tick() {
    const { started, ended } = this.summary;
    const over = FINAL.includes(this.summary.state);
    const { took = "Took", running = "Running for" } = this.root.dataset;
    put(this.live.querySelector(".log-clock"), started ? `${over ? took : running} ${duration((over && ended ? ended : this.now()) - started)}` : "");
    this.rows.news();
    if (!over || !ended) setTimeout(() => this.tick(), 1000);
  }

  // What the reader does.

  clicked(event) {
    const number = event.target.closest(".log-number");
    if (number) {
      event.preventDefault();
      this.pick(Number(number.parentElement.dataset.line), event.shiftKey);
      return;
    }
    const name = event.target.closest("[data-do]")?.dataset.do;
    if (name) this.act(name);
  }

  pressed(event) {
    if (event.key === "Escape" && this.root.classList.contains("log-full")) this.act("full");
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select")) return;
    if (event.key === "/") {
      event.preventDefault();
      this.search.needle.focus();
    } else if (KEYS[event.key]) this.act(KEYS[event.key]);
  }

  act(name) {
    const acts = {
      follow: () => this.follow(!this.rows.follow, true),
      wrap: () => this.press("wrap", this.rows.wraps(!this.rows.wrap)),
      fold: () => this.foldAll(),
      full: () => this.press("full", this.root.classList.toggle("log-full")),
      next: () => this.search.step(1),
      previous: () => this.search.step(-1),
      copy: () => this.copied(text(this.lines, this.rows.picked)),
      link: () => this.copied(Promise.resolve(location.href.split("#")[0] + toAddress(this.rows.picked))),
      unpick: () => this.unpick(),
    };
    acts[name]();
  }

  press(name, on) {
    this.live.querySelector(`[data-do=${name}]`).setAttribute("aria-pressed", String(on));
  }

  follow(on) {
    this.rows.follow = on;
    this.press("follow", on);
    this.rows.schedule();
  }

  fold(index) {
    this.layout.toggle(index);
    this.rows.follow = false;
    this.press("follow", false);
    this.rows.schedule();
  }

  foldAll() {
    const fold = this.layout.steps.some((step) => !this.layout.folded.has(step.index));
    for (const step of this.layout.steps) this.layout.toggle(step.index, fold);
    this.rows.schedule();
  }

  show(line, current) {
    if (current) this.rows.current = line;
    this.follow(false);
    this.rows.show(this.layout.rowOf(line));
  }

  pick(line, extend) {
    const from = extend && this.anchor !== undefined ? this.anchor : line;
    this.anchor = from;
    this.#picked([Math.min(from, line), Math.max(from, line)]);
    history.replaceState(history.state, "", toAddress(this.rows.picked));
    this.follow(false);
  }

  unpick() {
    this.#picked(null);
    history.replaceState(history.state, "", location.pathname + location.search);
  }

  #picked(lines) {
    this.rows.picked = lines;
    this.live.querySelector(".log-picked").hidden = !lines;
    put(this.live.querySelector(".log-picked-text"), lines ? described(lines) : "");
    this.rows.schedule();
  }

  // The lines that the page's address names; without one, where a step that failed went wrong.
  address(wrong = null) {
    const lines = fromAddress(location.hash) ?? (wrong === null ? null : [wrong, wrong]);
    if (!lines) return;
    this.anchor = lines[0];
    this.#picked(lines);
    this.show(lines[0]);
  }

  async copied(what) {
    const place = this.live.querySelector(".log-picked-text");
    try {
      await copy(await what);
      put(place, "Copied");
    } catch (error) {
      put(place, `Not copied. ${error.message}`);
    }
    setTimeout(() => put(place, this.rows.picked ? described(this.rows.picked) : ""), 3000);
  }
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const root = document.getElementById("log");
if (root) new Log(root);
