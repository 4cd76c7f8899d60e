// The view rule zoom_in of isegm/inference/views/zoom_in.py: which part of the image the network sees, and at what size.

/** `{ source, size, target, held }`: boxes are [top, left, bottom, right], half open; the last of `clicks` is new to the session. */
export function viewOf(settings, session, clicks) {
  const image = [0, 0, session.height, session.width];
  const size = settings.resize_whole ? scaled(image, settings.size) : limited(image, settings.max_size);
  const unchanged = { source: image, size, target: session.box ?? image, held: session.box };
  if (clicks.length <= settings.skip_clicks) return unchanged;
  let wanted = cropAround(settings, session, clicks);
  if (!wanted) {
    if (settings.skip_clicks >= 0) return unchanged;
    wanted = image;
  }
  let held = session.box;
  if (!held || outlived(settings, held, wanted, clicks)) held = wanted;
  return { source: held, size: scaled(held, settings.size), target: held, held };
}

function cropAround(settings, session, clicks) {
  const around = session.view && boxOf(session.prob, session.height, session.width, settings.threshold);
  if (!around) return null;
  for (const { y, x } of inside(settings, clicks)) {
    around[0] = Math.min(around[0], Math.trunc(y));
    around[1] = Math.min(around[1], Math.trunc(x));
    around[2] = Math.max(around[2], Math.trunc(y) + 1);
    around[3] = Math.max(around[3], Math.trunc(x) + 1);
  }
  const [top, bottom] = widened(around[0], around[2], settings);
  const [left, right] = widened(around[1], around[3], settings);
  return [Math.max(0, top), Math.max(0, left), Math.min(session.height, bottom), Math.min(session.width, right)];
}

/** The box of what is above a threshold; null if nothing is. */
function boxOf(prob, height, width, threshold) {
  const limit = Math.fround(threshold); // as a float32 array is compared
  let [top, left, bottom, right] = [height, width, 0, 0];
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (!(prob[i] > limit)) continue;
      top = Math.min(top, y);
      bottom = y + 1;
      left = Math.min(left, x);
      right = Math.max(right, x + 1);
    }
  }
  return bottom ? [top, left, bottom, right] : null;
}

function widened(start, stop, { expansion, min_crop: least }) {
  const centre = 0.5 * (start + stop - 1);
  const size = Math.max(expansion * (stop - start), least);
  return [evenly(centre - 0.5 * size), evenly(centre + 0.5 * size) + 1];
}

function outlived({ stale_iou: stale, ...settings }, held, wanted, clicks) {
  // The last row and column count as outside, as in the package.
  const leaves = inside(settings, clicks).some(
    ({ y, x }) => y < held[0] || x < held[1] || y >= held[2] - 1 || x >= held[3] - 1);
  return leaves || alike(wanted, held) < stale;
}

/** The product of the IoUs of the rows and of the columns. */
function alike(a, b) {
  let product = 1;
  for (const i of [0, 1]) {
    const overlap = Math.max(0, Math.min(a[i + 2], b[i + 2]) - Math.max(a[i], b[i]));
    product *= overlap / Math.max(1e-6, Math.max(a[i + 2], b[i + 2]) - Math.min(a[i], b[i]));
  }
  return product;
}

function inside({ all_clicks: all }, clicks) {
  return clicks.filter((click) => click.positive || all);
}

function scaled([top, left, bottom, right], size) {
  if (Array.isArray(size)) return size;
  const scale = size / Math.max(bottom - top, right - left);
  return [evenly((bottom - top) * scale), evenly((right - left) * scale)];
}

function limited([top, left, bottom, right], most) {
  const longer = Math.max(bottom - top, right - left);
  if (most === null || longer <= most) return [bottom - top, right - left];
  const scale = most / longer;
  return [Math.max(1, evenly((bottom - top) * scale)), Math.max(1, evenly((right - left) * scale))];
}

/** Rounded to whole numbers, halves to the even one, as Python does. */
function evenly(value) {
  const low = Math.floor(value);
  const rest = value - low;
  if (rest !== 0.5) return Math.round(value);
  return low % 2 === 0 ? low : low + 1;
}
