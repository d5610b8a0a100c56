// What happens to the operation, as it happens: server-sent events, or questions every few seconds where they cannot be had.
// A browser allows six connections to one server: a page that nobody sees gives its connection back and asks instead.

import { ask, SignedOut } from "./log-lines.js";

const KINDS = ["operation", "step", "progress", "log", "end"];
const SILENT = 5_000; // an opened stream says something at once; one that does not is held back by something on the way
const DEAD = 40_000; // the server speaks at least each 15 s
const ASK_EVERY = 2_000;
const ASK_HIDDEN = 5_000;
const HIDDEN = 30_000;
const LONGEST_PAUSE = 15_000;

export class Stream {
  // `after()` is the first line not surely known; `event(kind, payload)` takes what came; `state(name, since)` is how it stands.
  constructor(addresses, { after, event, state }) {
    this.addresses = addresses;
    this.after = after;
    this.event = event;
    this.state = state;
    this.failures = 0;
    this.lost = null;
    this.source = null;
    this.over = false;
    this.patience = SILENT;
    this.watching = setInterval(() => this.#watch(), 1000);
    document.addEventListener("visibilitychange", () => this.#seen());
  }

  open() {
    if (this.over) return;
    this.#drop();
    this.#wait(SILENT);
    const source = new EventSource(`${this.addresses.events}?after=${this.after()}`);
    for (const kind of KINDS) source.addEventListener(kind, (message) => this.#heard(kind, JSON.parse(message.data)));
    source.addEventListener("alive", () => this.#heard());
    source.addEventListener("error", () => this.#failed());
    this.source = source;
  }

  close(name) {
    this.over = true;
    this.#drop();
    clearInterval(this.watching);
    clearTimeout(this.asking);
    clearTimeout(this.again);
    this.state(name);
  }

  #drop() {
    this.source?.close();
    this.source = null;
  }

  #heard(kind, payload) {
    if (this.over) return;
    this.failures = 0;
    this.lost = null;
    this.#stopAsking();
    this.#wait(DEAD);
    this.state("live");
    if (kind === "end") this.close(payload.reason === "signed out" ? "signed out" : "ended");
    if (kind) this.event(kind, payload);
  }

  #wait(patience) {
    this.heard = performance.now();
    this.patience = patience;
  }

  // Silence for so long means that nothing comes through.
  #watch() {
    if (this.source && performance.now() - this.heard > this.patience) this.#broken();
  }

  #failed() {
    if (this.over) return;
    this.lost ??= new Date();
    if (!this.asking) this.state("lost", this.lost);
    // Otherwise the browser connects again by itself, with the id of the last event.
    if (this.source?.readyState === EventSource.CLOSED) this.#broken();
  }

  #broken() {
    this.#drop();
    this.lost ??= new Date();
    this.failures += 1;
    if (!this.asking) this.#ask();
    clearTimeout(this.again);
    this.again = setTimeout(() => this.open(), Math.min(LONGEST_PAUSE, 1000 * 2 ** this.failures));
  }

  #stopAsking() {
    clearTimeout(this.asking);
    this.asking = null;
  }

  async #ask() {
    this.asking = setTimeout(() => this.#ask(), document.hidden ? ASK_HIDDEN : ASK_EVERY);
    try {
      const { operation, log } = await ask(`${this.addresses.lines}?after=${this.after()}`);
      if (this.over || !this.asking) return;
      this.state("asking");
      this.event("operation", operation);
      this.event("log", log);
      if (operation.final) {
        this.close("ended");
        this.event("end", { state: operation.state });
      }
    } catch (error) {
      if (this.over) return;
      if (error instanceof SignedOut) this.close("signed out");
      else this.state("lost", (this.lost ??= new Date()));
    }
  }

  #seen() {
    clearTimeout(this.hiding);
    if (this.over) return;
    if (document.hidden) {
      this.hiding = setTimeout(() => {
        this.#drop();
        clearTimeout(this.again);
        if (!this.asking) this.#ask();
      }, HIDDEN);
    } else if (!this.source) this.open();
  }
}
