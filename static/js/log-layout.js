// Which row of the page is which line: a header row for each step, then its lines unless it is folded.

export class Layout {
  constructor() {
    this.folded = new Set();
    this.sections = [];
    this.rows = 0;
    this.steps = [];
    this.total = 0;
  }

  update(steps, total) {
    this.steps = steps.filter((step) => step.state !== "pending" || step.first !== null);
    this.total = total;
    this.#lay();
  }

  toggle(index, fold = !this.folded.has(index)) {
    if (fold) this.folded.add(index);
    else this.folded.delete(index);
    this.#lay();
  }

  #lay() {
    const begins = this.steps.map((step) => step.first);
    let end = this.total;
    const ends = begins.map(() => 0);
    for (let at = begins.length - 1; at >= 0; at--) {
      if (begins[at] === null) begins[at] = end;
      ends[at] = Math.max(end, begins[at]);
      end = begins[at];
    }
    const parts = this.steps.map((step, at) => ({ step, first: begins[at], count: ends[at] - begins[at] }));
    if (end > 0) parts.unshift({ step: null, first: 0, count: end });
    let row = 0;
    for (const part of parts) {
      part.row = row;
      part.lead = part.step ? 1 : 0;
      part.shown = part.step && this.folded.has(part.step.index) ? 0 : part.count;
      row += part.lead + part.shown;
    }
    this.sections = parts;
    this.rows = row;
  }

  // {step} for a header, {line} for a line.
  at(row) {
    let low = 0;
    let high = this.sections.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.sections[middle].row <= row) low = middle;
      else high = middle - 1;
    }
    const part = this.sections[low];
    return row < part.row + part.lead ? { step: part.step, count: part.count } : { line: part.first + row - part.row - part.lead };
  }

  // The row of a line; a folded step is unfolded for it.
  rowOf(line) {
    const part = this.sections.find((one) => line >= one.first && line < one.first + one.count);
    if (!part) return Math.max(0, this.rows - 1);
    if (part.shown === 0) {
      this.toggle(part.step.index, false);
      return this.rowOf(line);
    }
    return part.row + part.lead + line - part.first;
  }

  rowOfStep(index) {
    return this.sections.find((part) => part.step?.index === index)?.row;
  }
}
