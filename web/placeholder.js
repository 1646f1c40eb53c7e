// What a picture looks like before it is there: a ThumbHash, some 25 bytes that hold an average and a few cosines of
// brightness, of two differences of colour, and of opacity. https://evanw.github.io/thumbhash/ is the format.

import { el } from "./dom.js";

/** Pixels of the long side; it is all blur. */
const SIDE = 32;

/** A canvas that shows the hash in `text` (base64); `null` when it holds none. */
export function placeholder(text) {
  const hash = bytesOf(text);
  if (hash.length < 5) return null;
  const picture = pixels(read(hash));
  const canvas = el("canvas", { class: "placeholder", width: picture.width, height: picture.height, "aria-hidden": "true" });
  canvas.getContext("2d").putImageData(picture, 0, 0);
  return canvas;
}

function bytesOf(text) {
  try {
    return Uint8Array.from(atob(text ?? ""), (character) => character.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}

/** The channels and the shape that a hash holds. */
export function read(hash) {
  const head = hash[0] | (hash[1] << 8) | (hash[2] << 16);
  const tail = hash[3] | (hash[4] << 8);
  const hasAlpha = (head >> 23) & 1;
  const isLandscape = (tail >> 15) & 1;
  const [most, fewer] = [hasAlpha ? 5 : 7, tail & 7];
  const [across, down] = isLandscape ? [most, fewer] : [fewer, most];
  const coefficients = nibbles(hash, hasAlpha ? 6 : 5);
  const wave = (average, columns, rows, scale) => ({ average, columns, rows, terms: terms(coefficients, columns, rows, scale) });
  // In the order in which their terms are stored.
  return {
    aspect: across / down,
    light: wave((head & 63) / 63, Math.max(3, across), Math.max(3, down), ((head >> 18) & 31) / 31),
    yellow: wave(((head >> 6) & 63) / 31.5 - 1, 3, 3, (((tail >> 3) & 63) / 63) * 1.25),
    red: wave(((head >> 12) & 63) / 31.5 - 1, 3, 3, (((tail >> 9) & 63) / 63) * 1.25),
    opacity: hasAlpha ? wave((hash[5] & 15) / 15, 5, 5, (hash[5] >> 4) / 15) : null,
  };
}

/** The halves of the bytes from `start` on, low one first. What is cut off counts as nothing. */
function* nibbles(hash, start) {
  for (let at = start; at < hash.length; at += 1) yield* [hash[at] & 15, hash[at] >> 4];
}

/** Strengths of the cosines of a channel: those of the triangle of low frequencies. */
function terms(coefficients, columns, rows, scale) {
  const found = [];
  for (let row = 0; row < rows; row += 1) {
    for (let column = row ? 0 : 1; column * rows < columns * (rows - row); column += 1) {
      const { value = 7.5 } = coefficients.next();
      found.push({ row, column, strength: (value / 7.5 - 1) * scale });
    }
  }
  return found;
}

function pixels({ aspect, light, yellow, red, opacity }) {
  const width = aspect > 1 ? SIDE : Math.max(1, Math.round(SIDE * aspect));
  const height = aspect > 1 ? Math.max(1, Math.round(SIDE / aspect)) : SIDE;
  const picture = new ImageData(width, height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const at = (channel) => value(channel, (x + 0.5) / width, (y + 0.5) / height);
      const [l, p, q] = [at(light), at(yellow), at(red)];
      const blue = l - (2 / 3) * p;
      const r = (3 * l - blue + q) / 2;
      // Clamped by the array itself.
      picture.data.set([r, r - q, blue, opacity ? at(opacity) : 1].map((part) => part * 255), 4 * (y * width + x));
    }
  }
  return picture;
}

/** A channel's value at a place from 0 to 1. */
function value({ average, terms }, x, y) {
  const cosine = (frequency, at) => Math.cos(Math.PI * frequency * at);
  return terms.reduce((sum, { row, column, strength }) => sum + 2 * strength * cosine(column, x) * cosine(row, y), average);
}
