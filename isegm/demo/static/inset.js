// What the network was shown: the crop at the size it was brought to, in the lower corner that is further from it.

const LARGEST = 230; // pixels of the page
const SHARE = 0.3; // of the stage, at most

/** Draw `view` ({ box, size }) of `image` into a canvas, or hide the canvas where there is nothing to show. */
export function showInset(canvas, image, view) {
  const frame = canvas.parentElement;
  frame.hidden = !(image && view);
  if (frame.hidden) return;
  const [top, left, bottom, right] = view.box;
  const [height, width] = view.size;
  canvas.width = width; // one pixel for each that the network saw
  canvas.height = height;
  frame.classList.toggle("left", left + right > image.width);
  const scale = Math.min(LARGEST, SHARE * frame.parentElement.clientWidth) / Math.max(height, width);
  canvas.style.width = `${Math.max(1, Math.round(width * scale))}px`;
  canvas.style.height = `${Math.max(1, Math.round(height * scale))}px`;
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(image, left, top, right - left, bottom - top, 0, 0, width, height);
  frame.querySelector("figcaption").textContent = `the network saw ${width} × ${height}`;
}
