// The lines that are known here, by number. What is not known is fetched when it is looked at; what is far away is forgotten.
// A line is a text, or [its beginning, length of the whole line in bytes] when it was cut.

const BLOCK = 200;
const KEPT = 60;
const AT_ONCE = 3;

const size = (line) => (typeof line === "string" ? line.length : line[1]);

export class Lines {
  constructor(address, changed) {
    this.address = address;
    this.changed = changed;
    this.total = 0;
    this.next = 0; // the first line that may still change
    this.open = null; // that line, kept apart: it is replaced, never joined
    this.looked = 0;
    this.blocks = new Map();
    this.fetching = new Set();
  }

  get(number) {
    if (this.open?.number === number) return this.open.line;
    return this.blocks.get(Math.floor(number / BLOCK))?.[number % BLOCK];
  }

  // A batch: lines from `first` on, how many lines there are, and the first one that may still change. Batches may come twice.
  take({ first, lines, total, next }) {
    this.total = Math.max(this.total, total);
    this.next = Math.max(this.next, next);
    if (this.open && this.open.number < this.next) this.open = null;
    lines.forEach((line, index) => this.#keep(first + index, line, first + index < next));
    this.#tidy();
  }

  #keep(number, line, settled) {
    if (settled) {
      const key = Math.floor(number / BLOCK);
      let block = this.blocks.get(key);
      if (!block) this.blocks.set(key, (block = new Array(BLOCK)));
      block[number % BLOCK] = line;
    } else if (number >= this.next && (this.open?.number !== number || size(this.open.line) <= size(line))) {
      this.open = { number, line };
    }
  }

  #tidy() {
    if (this.blocks.size <= KEPT) return;
    const here = Math.floor(this.looked / BLOCK);
    const far = [...this.blocks.keys()].sort((one, two) => Math.abs(two - here) - Math.abs(one - here));
    for (const key of far.slice(0, KEPT / 3)) this.blocks.delete(key);
  }

  // Make lines first..last known; calls `changed` when some arrived.
  want(first, last) {
    this.looked = last;
    for (let number = first; number <= Math.min(last, this.total - 1); number++) {
      if (this.get(number) === undefined) this.#fetch(Math.floor(number / BLOCK));
    }
  }

  async #fetch(key) {
    if (this.fetching.has(key) || this.fetching.size >= AT_ONCE) return;
    this.fetching.add(key);
    try {
      const answer = await this.range(key * BLOCK, BLOCK);
      const settled = answer.first + answer.lines.length - answer.open;
      answer.lines.forEach((line, index) => this.#keep(answer.first + index, line, answer.first + index < settled));
      this.#tidy();
    } catch {
      await new Promise((done) => setTimeout(done, 1000));
    }
    this.fetching.delete(key);
    this.changed();
  }

  async range(first, count) {
    return ask(`${this.address}?first=${first}&count=${count}`);
  }
}

export class SignedOut extends Error {}

export async function ask(address) {
  const response = await fetch(address, { headers: { Accept: "application/json" } });
  if (response.redirected || response.status === 401 || response.status === 403) throw new SignedOut();
  if (!response.ok) throw new Error(`${response.status}`);
  return response.json();
}
