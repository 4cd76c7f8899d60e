// What the network was shown: the crop at the size it was brought to, in a corner of the stage.

const LARGEST = 230; // pixels of the page

/** Draw `view` ({ box, size }) of `image` into a canvas, or hide the canvas where there is nothing to show. */
export function showInset(canvas, image, view) {
  canvas.parentElement.hidden = !(image && view);
  if (canvas.parentElement.hidden) return;
  const [top, left, bottom, right] = view.box;
  const [height, width] = view.size;
  canvas.width = width; // one pixel for each that the network saw
  canvas.height = height;
  const scale = LARGEST / Math.max(height, width);
  canvas.style.width = `${Math.max(1, Math.round(width * scale))}px`;
  canvas.style.height = `${Math.max(1, Math.round(height * scale))}px`;
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(image, left, top, right - left, bottom - top, 0, 0, width, height);
  canvas.parentElement.querySelector("figcaption").textContent = `the network saw ${width} × ${height}`;
}
