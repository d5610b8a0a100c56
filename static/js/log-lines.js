// The lines that are known here, by number. What is not known is fetched when it is looked at; what is far away is forgotten.

const BLOCK = 200;
const KEPT = 150;

export class Lines {
  constructor(address, start, changed) {
    this.address = address;
    this.changed = changed;
    this.total = 0;
    this.next = 0;
    this.blocks = new Map();
    this.fetching = new Set();
    this.take(start);
  }

  get(number) {
    return this.blocks.get(Math.floor(number / BLOCK))?.[number % BLOCK];
  }

  // A batch: lines from `first` on, how many lines there are, and the first one that may still change.
  take({ first, lines, total, next }) {
    if (first > this.next) this.#forget(this.next);
    lines.forEach((line, index) => this.#put(first + index, line));
    this.total = Math.max(this.total, total);
    this.next = Math.max(this.next, next);
    this.#tidy(first);
  }

  #put(number, line) {
    const key = Math.floor(number / BLOCK);
    let block = this.blocks.get(key);
    if (!block) this.blocks.set(key, (block = new Array(BLOCK)));
    block[number % BLOCK] = line;
  }

  #forget(number) {
    const block = this.blocks.get(Math.floor(number / BLOCK));
    if (block) block[number % BLOCK] = undefined;
  }

  #tidy(near) {
    if (this.blocks.size <= KEPT) return;
    const here = Math.floor(near / BLOCK);
    const far = [...this.blocks.keys()].sort((one, two) => Math.abs(two - here) - Math.abs(one - here));
    for (const key of far.slice(0, KEPT / 3)) this.blocks.delete(key);
  }

  // Make lines first..last known; calls `changed` when some arrived.
  want(first, last) {
    for (let number = first; number <= Math.min(last, this.total - 1); number++) {
      const key = Math.floor(number / BLOCK);
      if (this.get(number) === undefined && !this.fetching.has(key)) this.#fetch(key);
    }
  }

  async #fetch(key) {
    if (this.fetching.size > 3) return;
    this.fetching.add(key);
    try {
      const answer = await this.range(key * BLOCK, BLOCK);
      answer.lines.forEach((line, index) => {
        if (this.get(answer.first + index) === undefined) this.#put(answer.first + index, line);
      });
      this.#tidy(key * BLOCK);
    } catch {
      await new Promise((done) => setTimeout(done, 1000));
    }
    this.fetching.delete(key);
    this.changed();
  }

  async range(first, count) {
    const response = await fetch(`${this.address}?first=${first}&count=${count}`, { headers: { Accept: "application/json" } });
    if (!response.ok || response.redirected) throw new Error(`${response.status}`);
    return response.json();
  }
}
