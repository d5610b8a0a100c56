// Colours of a terminal (SGR) become classes; every other control character becomes visible text. Nothing is interpreted as HTML.
// A line begins without colour: lines are shown one by one, so nothing before it is known.

const STEPS = [0, 95, 135, 175, 215, 255];
const BASE = [
  [0, 0, 0], [205, 49, 49], [13, 145, 75], [160, 120, 0], [36, 94, 190], [160, 45, 160], [10, 135, 155], [204, 204, 204],
  [102, 102, 102], [241, 76, 76], [35, 190, 110], [220, 190, 50], [70, 140, 240], [214, 112, 214], [41, 184, 219], [255, 255, 255],
];
const NAMES = (
  "NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US"
).split(" ");
const SPECIAL = /\x1b\[([0-9;:]*)m|[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

export function rgb(number) {
  if (number < 16) return BASE[number];
  if (number > 231) return Array(3).fill(8 + 10 * (number - 232));
  const cube = number - 16;
  return [STEPS[Math.floor(cube / 36)], STEPS[Math.floor(cube / 6) % 6], STEPS[cube % 6]];
}

function nearest(red, green, blue) {
  const step = (value) => STEPS.reduce((best, one, index) => (Math.abs(one - value) < Math.abs(STEPS[best] - value) ? index : best), 0);
  return 16 + 36 * step(red) + 6 * step(green) + step(blue);
}

const SWITCHES = {
  1: ["bold", true], 2: ["dim", true], 3: ["italic", true], 4: ["under", true], 7: ["inverse", true], 9: ["strike", true],
  22: ["bold", false], 23: ["italic", false], 24: ["under", false], 27: ["inverse", false], 29: ["strike", false],
};

// "38;5;N", "38;2;R;G;B" and their forms with colons. Returns [colour or undefined, how many codes were used].
function extended(codes, at) {
  if (codes[at + 1] === 5) return [codes[at + 2] <= 255 ? codes[at + 2] : undefined, 2];
  if (codes[at + 1] === 2) {
    const parts = codes.slice(at + 2, at + 5);
    return [parts.length === 3 && parts.every((part) => part <= 255) ? nearest(...parts) : undefined, 4];
  }
  return [undefined, 0];
}

function apply(style, text) {
  const codes = text.replace(/(38|48):2:[0-9]*:([0-9]+:[0-9]+:[0-9]+)/g, "$1:2:$2").split(/[;:]/).map(Number);
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at];
    if (code === 0) for (const name of Object.keys(style)) delete style[name];
    else if (code in SWITCHES) {
      style[SWITCHES[code][0]] = SWITCHES[code][1];
      if (code === 22) style.dim = false;
    } else if (code === 38 || code === 48) {
      const [colour, used] = extended(codes, at);
      style[code === 38 ? "front" : "back"] = colour;
      at += used;
    } else if (code === 39) style.front = undefined;
    else if (code === 49) style.back = undefined;
    else if (code >= 30 && code <= 37) style.front = code - 30;
    else if (code >= 40 && code <= 47) style.back = code - 40;
    else if (code >= 90 && code <= 97) style.front = code - 82;
    else if (code >= 100 && code <= 107) style.back = code - 92;
  }
}

function classes(style) {
  const names = ["bold", "dim", "italic", "under", "strike"].filter((name) => style[name]).map((name) => `log-${name}`);
  if (style.inverse && style.front === undefined && style.back === undefined) names.push("log-inverse");
  else {
    const [front, back] = style.inverse ? [style.back ?? 15, style.front ?? 0] : [style.front, style.back];
    if (back !== undefined) names.push(`log-b${back}`, `log-x${front ?? (luminance(rgb(back)) > 0.3 ? 0 : 15)}`);
    else if (front !== undefined) names.push(`log-f${front}`);
  }
  return names.join(" ");
}

// By name: few fonts have the pictures of control characters.
function visible(character) {
  const code = character.charCodeAt(0);
  return `<${code === 0x7f ? "DEL" : (NAMES[code] ?? `U+${code.toString(16).toUpperCase().padStart(4, "0")}`)}>`;
}

// Parts of a line: [text, classes].
export function parse(text) {
  SPECIAL.lastIndex = 0;
  let match = SPECIAL.exec(text);
  if (!match) return [[text, ""]];
  const parts = [];
  const style = {};
  let position = 0;
  const add = (piece, names) => {
    if (!piece) return;
    const last = parts[parts.length - 1];
    if (last && last[1] === names) last[0] += piece;
    else parts.push([piece, names]);
  };
  for (; match; match = SPECIAL.exec(text)) {
    add(text.slice(position, match.index), classes(style));
    position = SPECIAL.lastIndex;
    if (match[1] === undefined) add(visible(match[0]), "log-control");
    else apply(style, match[1]);
  }
  add(text.slice(position), classes(style));
  return parts;
}

// Append the line to an element, as text nodes and spans only.
export function fill(element, text) {
  for (const [piece, names] of parse(text)) {
    if (!names) element.append(piece);
    else {
      const span = document.createElement("span");
      span.className = names;
      span.textContent = piece;
      element.append(span);
    }
  }
}

// The text that a copy gets: without colours, nothing else removed.
export function plain(text) {
  return text.replace(/\x1b\[[0-9;:]*m/g, "");
}

export function luminance([red, green, blue]) {
  const linear = (value) => (value <= 10 ? value / 3294 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
}

const LIGHT = [255, 255, 255];
const DARK = [12, 17, 20];

// The colour, moved towards black or white until it can be read on the ground (contrast of 4.5).
function readable(colour, ground) {
  const onLight = luminance(ground) > 0.5;
  let mixed = colour;
  for (let share = 0; share <= 1; share += 0.05) {
    mixed = colour.map((value) => Math.round(value * (1 - share) + (onLight ? 0 : 255) * share));
    const [high, low] = [luminance(mixed), luminance(ground)].sort((one, two) => two - one);
    if ((high + 0.05) / (low + 0.05) >= 4.5) break;
  }
  return mixed;
}

// One style sheet for the 256 colours: log-f (text on the page's own ground), log-x (text on a colour), log-b (ground).
export function palette() {
  const css = [];
  for (let number = 0; number < 256; number++) {
    const colour = rgb(number);
    css.push(`.log-f${number}{color:light-dark(rgb(${readable(colour, LIGHT)}),rgb(${readable(colour, DARK)}))}`);
    css.push(`.log-x${number}{color:rgb(${colour})}.log-b${number}{background:rgb(${colour})}`);
  }
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css.join(""));
  document.adoptedStyleSheets.push(sheet);
}
