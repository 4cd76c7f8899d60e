// Crops and resampling of planes, as the package does them: bilinear, with aligned corners.

/** Planes are `{ height, width, planes }`, each plane a Float32Array in row order; boxes are [top, left, bottom, right]. */
export function resized({ width, planes }, [top, left, bottom, right], [rows, columns]) {
  const down = between(bottom - top, rows);
  const across = between(right - left, columns);
  const made = planes.map(() => new Float32Array(rows * columns));
  planes.forEach((plane, index) => {
    const out = made[index];
    for (let y = 0, i = 0; y < rows; y++) {
      const upper = (top + down.first[y]) * width + left;
      const lower = (top + down.second[y]) * width + left;
      const share = down.share[y];
      for (let x = 0; x < columns; x++, i++) {
        const a = across.first[x];
        const b = across.second[x];
        const west = plane[upper + a] * (1 - share) + plane[lower + a] * share;
        const east = plane[upper + b] * (1 - share) + plane[lower + b] * share;
        out[i] = west * (1 - across.share[x]) + east * across.share[x];
      }
    }
  });
  return { height: rows, width: columns, planes: made };
}

/** A plane brought to the size of a box and laid into zeros of `height` x `width`. */
export function pasted(plane, size, box, height, width) {
  const [top, left, bottom, right] = box;
  const source = { height: size[0], width: size[1], planes: [plane] };
  const patch = resized(source, [0, 0, ...size], [bottom - top, right - left]).planes[0];
  const out = new Float32Array(height * width);
  for (let y = top; y < bottom; y++) {
    out.set(patch.subarray((y - top) * (right - left), (y - top + 1) * (right - left)), y * width + left);
  }
  return out;
}

/** For each place along an axis: the two places it lies between, and the share of the second. */
function between(source, target) {
  const first = new Int32Array(target);
  const second = new Int32Array(target);
  const share = new Float32Array(target);
  const scale = target > 1 ? Math.fround((source - 1) / (target - 1)) : 0;
  for (let i = 0; i < target; i++) {
    const place = Math.fround(i * scale); // float32, as in the package
    first[i] = Math.min(Math.floor(place), source - 1);
    second[i] = Math.min(first[i] + 1, source - 1);
    share[i] = place - first[i];
  }
  return { first, second, share };
}
