// The canvas: an image that can be moved and enlarged, with everything that is drawn over it.

const MOVED = 4; // screen pixels after which a press is a drag and no click
const SMALLEST = 0.02;
const LARGEST = 40;
const NEAR = 4; // screen pixels that an arrow key moves the cross
const FAR = 40; // with Shift held
const CRISP = 3; // from this scale on pixels are drawn as squares

export class Stage {
  /**
   * `onClick(y, x, positive)` is told of clicks in image pixels, `onMove({ y, x } | null)` of the pointer, `onScale(scale)` of the scale.
   */
  constructor(canvas, { onClick, onMove, onScale }) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.onClick = onClick;
    this.onMove = onMove;
    this.onScale = onScale;
    this.image = null;
    this.masks = []; // { fill, outline }, bottom first
    this.map = null;
    this.clicks = [];
    this.waiting = []; // clicks that are not answered yet
    this.crop = null; // [top, left, bottom, right]
    this.options = { alpha: 0.45, radius: 5, mask: true, crop: false };
    this.scale = 1;
    this.left = this.top = 0;
    this.fitted = false; // and stays so when the window changes
    this.press = null;
    this.cross = null; // { y, x }: where the keyboard would click
    this.frame = 0;
    this.listen();
    new ResizeObserver(() => this.resized()).observe(canvas);
  }

  show(image) {
    this.image = image;
    this.masks = [];
    this.map = this.crop = null;
    this.clicks = [];
    this.waiting = [];
    this.cross = null;
    this.fit();
    this.draw();
  }

  fit() {
    if (!this.image) return;
    const { width, height } = this.area();
    this.scale = Math.min(width / this.image.width, (height - 34) / this.image.height) * 0.96;
    this.left = (width - this.image.width * this.scale) / 2;
    this.top = (height - 34 - this.image.height * this.scale) / 2;
    this.fitted = true;
    this.draw();
    this.onScale(this.scale);
  }

  /** Enlarge by a factor about a place on the canvas, by default its middle. */
  zoom(factor, x, y) {
    if (!this.image) return;
    const { width, height } = this.area();
    x ??= width / 2;
    y ??= height / 2;
    const scale = Math.min(LARGEST, Math.max(SMALLEST, this.scale * factor));
    this.left = x - ((x - this.left) * scale) / this.scale;
    this.top = y - ((y - this.top) * scale) / this.scale;
    this.scale = scale;
    this.fitted = false;
    this.draw();
    this.onScale(scale);
  }

  area() {
    return this.canvas.getBoundingClientRect();
  }

  /** The image pixel below a place on the page; null outside the image. */
  pixel(event) {
    if (!this.image) return null;
    const area = this.area();
    const x = Math.floor((event.clientX - area.left - this.left) / this.scale);
    const y = Math.floor((event.clientY - area.top - this.top) / this.scale);
    return x >= 0 && y >= 0 && x < this.image.width && y < this.image.height ? { y, x } : null;
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const area = this.area();
      this.zoom(Math.exp(-event.deltaY * 0.0015), event.clientX - area.left, event.clientY - area.top);
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.typed(event));
    canvas.addEventListener("blur", () => this.draw());
    canvas.addEventListener("pointerdown", (event) => {
      this.cross = null;
      canvas.setPointerCapture(event.pointerId);
      this.press = { x: event.clientX, y: event.clientY, left: this.left, top: this.top, dragged: event.button === 1 };
    });
    canvas.addEventListener("pointermove", (event) => {
      this.onMove(this.pixel(event));
      if (!this.press) return;
      const dx = event.clientX - this.press.x;
      const dy = event.clientY - this.press.y;
      if (Math.hypot(dx, dy) > MOVED) this.press.dragged = true;
      if (!this.press.dragged) return;
      canvas.classList.add("panning");
      this.fitted = false;
      this.left = this.press.left + dx;
      this.top = this.press.top + dy;
      this.draw();
    });
    canvas.addEventListener("pointerup", (event) => {
      const { press } = this;
      this.release();
      const pixel = this.pixel(event);
      if (press && !press.dragged && pixel) this.onClick(pixel.y, pixel.x, event.button === 0 && !event.shiftKey);
    });
    canvas.addEventListener("pointercancel", () => this.release());
    canvas.addEventListener("pointerleave", () => this.onMove(null));
  }

  /** The image without a mouse: arrow keys move a cross by some pixels of the screen, Enter clicks there. */
  typed(event) {
    const direction = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!this.image || event.ctrlKey || event.metaKey || event.altKey || !(direction || event.key === "Enter")) return;
    event.preventDefault();
    const { height, width } = this.image;
    let { y, x } = this.cross ?? { y: Math.floor(height / 2), x: Math.floor(width / 2) };
    if (direction) {
      const step = Math.max(1, Math.round((event.shiftKey ? FAR : NEAR) / this.scale));
      y = Math.min(height - 1, Math.max(0, y + step * direction[0]));
      x = Math.min(width - 1, Math.max(0, x + step * direction[1]));
    } else if (this.cross) this.onClick(y, x, !event.shiftKey);
    this.cross = { y, x };
    this.onMove(this.cross);
    this.draw();
  }

  release() {
    this.press = null;
    this.canvas.classList.remove("panning");
  }

  resized() {
    const { width, height } = this.area();
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    if (this.fitted) this.fit();
    else this.draw();
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.paint());
  }

  paint() {
    const { context, options, image } = this;
    const ratio = window.devicePixelRatio || 1;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (!image) return;
    context.setTransform(this.scale * ratio, 0, 0, this.scale * ratio, this.left * ratio, this.top * ratio);
    context.imageSmoothingEnabled = this.scale < CRISP;
    context.imageSmoothingQuality = "high";
    context.drawImage(image, 0, 0);
    if (this.map) {
      context.globalAlpha = 0.75;
      context.drawImage(this.map, 0, 0);
    }
    if (options.mask) {
      for (const { fill, outline } of this.masks) {
        context.globalAlpha = this.map ? 0 : options.alpha;
        context.drawImage(fill, 0, 0);
        context.globalAlpha = 1;
        context.drawImage(outline, 0, 0);
      }
    }
    context.globalAlpha = 1;
    if (options.crop && this.crop) this.paintCrop();
    this.clicks.forEach((click, index) => this.paintClick(click, index === this.clicks.length - 1, false));
    this.waiting.forEach((click) => this.paintClick(click, true, true));
    if (this.cross && document.activeElement === this.canvas) this.paintCross();
  }

  paintCross() {
    const { context, scale } = this;
    const { y, x } = this.cross;
    for (const [colour, width] of [["#000000", 3.5], ["#ffffff", 1.5]]) {
      context.strokeStyle = colour;
      context.lineWidth = width / scale;
      context.beginPath();
      for (const [dy, dx] of [[-1, 0], [1, 0], [0, -1], [0, 1]]) {
        context.moveTo(x + 0.5 + (3 * dx) / scale, y + 0.5 + (3 * dy) / scale);
        context.lineTo(x + 0.5 + (14 * dx) / scale, y + 0.5 + (14 * dy) / scale);
      }
      context.stroke();
    }
  }

  paintCrop() {
    const [top, left, bottom, right] = this.crop;
    const { context, scale } = this;
    context.lineWidth = 1.5 / scale;
    context.setLineDash([7 / scale, 5 / scale]);
    context.strokeStyle = "#ffd60a";
    context.strokeRect(left, top, right - left, bottom - top);
    context.setLineDash([]);
  }

  paintClick({ y, x, positive }, newest, waiting) {
    const { context, scale, options } = this;
    if (!options.radius) return;
    context.globalAlpha = waiting ? 0.55 : 1;
    context.beginPath();
    context.arc(x + 0.5, y + 0.5, options.radius / scale, 0, 2 * Math.PI);
    context.fillStyle = positive ? "#34c759" : "#ff453a";
    context.fill();
    context.lineWidth = (newest ? 2.5 : 1.5) / scale;
    context.strokeStyle = newest ? "#ffffff" : "#ffffffb0";
    context.stroke();
    context.globalAlpha = 1;
  }
}
