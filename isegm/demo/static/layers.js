// Pictures that lie over the image: masks in the colour of their object, and maps in false colours.

// Places on the viridis scale, from 0 to 1.
const VIRIDIS = [
  [68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129], [92, 200, 99], [170, 220, 50], [253, 231, 37],
];

export function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** The pixels of a gray PNG: ImageData whose red channel holds the values. */
export async function decoded(blob) {
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const context = context2d(bitmap.width, bitmap.height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, context.canvas.width, context.canvas.height);
}

/** Whether a picture has transparent pixels: what lies below them is not what the page shows. */
export function seeThrough(bitmap) {
  const context = context2d(bitmap.width, bitmap.height);
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  for (let i = 3; i < data.length; i += 4) if (data[i] < 255) return true;
  return false;
}

/**
 * A mask in a colour: `fill` and `outline`, canvases of the image's size, to be drawn with different opacity.
 * `data` is ImageData of 0 and 255.
 */
export function tinted(data, [red, green, blue]) {
  const { width, height } = data;
  const source = new Uint32Array(data.data.buffer);
  const fill = context2d(width, height);
  const outline = context2d(width, height);
  const fillData = fill.createImageData(width, height);
  const outlineData = outline.createImageData(width, height);
  const fills = new Uint32Array(fillData.data.buffer);
  const outlines = new Uint32Array(outlineData.data.buffer);
  const colour = (255 << 24) | (blue << 16) | (green << 8) | red; // little-endian: the only kind browsers run on
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (!(source[i] & 255)) continue;
      fills[i] = colour;
      const inside = x > 0 && x < width - 1 && y > 0 && y < height - 1 &&
        source[i - 1] & source[i + 1] & source[i - width] & source[i + width] & 255;
      if (!inside) outlines[i] = colour;
    }
  }
  fill.putImageData(fillData, 0, 0);
  outline.putImageData(outlineData, 0, 0);
  return { fill: fill.canvas, outline: outline.canvas };
}

/** A map of 0..255 in false colours, as a canvas. */
export function coloured(data) {
  const context = context2d(data.width, data.height);
  const out = context.createImageData(data.width, data.height);
  const table = Array.from({ length: 256 }, (_, value) => viridis(value / 255));
  for (let i = 0; i < data.data.length; i += 4) {
    const [red, green, blue] = table[data.data[i]];
    out.data[i] = red;
    out.data[i + 1] = green;
    out.data[i + 2] = blue;
    out.data[i + 3] = 255;
  }
  context.putImageData(out, 0, 0);
  return context.canvas;
}

function viridis(value) {
  const place = value * (VIRIDIS.length - 1);
  const low = Math.min(Math.floor(place), VIRIDIS.length - 2);
  return VIRIDIS[low].map((start, channel) => Math.round(start + (place - low) * (VIRIDIS[low + 1][channel] - start)));
}

function context2d(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas.getContext("2d", { willReadFrequently: true });
}
