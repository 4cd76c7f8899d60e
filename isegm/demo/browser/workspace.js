// One image and its objects, in the page's own memory: what the server keeps for the page of `isegm demo`.

import { ApiError } from "./errors.js";

export class Workspace {
  /** `image` is ImageData, `colours` are those of objects, as [red, green, blue]. */
  constructor(network, name, image, colours) {
    this.network = network;
    this.colours = colours;
    this.name = name;
    this.image = image;
    this.finished = [];
    this.blank = network.start(image);
    this.begin(1);
    this.timing = {};
  }

  begin(number, answers = [this.blank], place = null) {
    // `answers[i]` is the session after i clicks; those beyond `shown` are for redo.
    this.current = { number, answers, shown: answers.length - 1, place };
  }

  get session() {
    return this.current.answers[this.current.shown];
  }

  async click({ y, x, positive }) {
    const begun = performance.now();
    const next = await this.network.click(this.session, { y, x, positive });
    this.timing = { model: performance.now() - begun };
    this.current.answers.splice(this.current.shown + 1, Infinity, next);
    this.current.shown += 1;
  }

  undo() {
    if (!this.current.shown) throw new ApiError("There is no click to undo.", "nothing");
    this.current.shown -= 1;
  }

  redo() {
    if (this.current.shown === this.current.answers.length - 1) throw new ApiError("There is no click to redo.", "nothing");
    this.current.shown += 1;
  }

  reset() {
    this.begin(this.current.number, [this.blank], this.current.place);
  }

  finish() {
    if (!areaOf(this.session)) throw new ApiError("There is no mask to finish yet; click on an object first.", "nothing");
    const { number, answers, shown, place } = this.current;
    const kept = { number, answers: answers.slice(0, shown + 1) };
    this.finished.splice(place ?? this.finished.length, 0, kept);
    this.begin(1 + Math.max(...this.finished.map((found) => found.number)));
  }

  reopen(number) {
    if (this.current.shown) this.finish();
    const place = this.finished.indexOf(this.find(number));
    const [{ answers }] = this.finished.splice(place, 1);
    this.begin(number, answers, place);
  }

  remove(number) {
    if (number === this.current.number) {
      this.begin(1 + Math.max(number, ...this.finished.map((found) => found.number)));
      return;
    }
    const at = this.finished.indexOf(this.find(number));
    this.finished.splice(at, 1);
    if (this.current.place !== null && at < this.current.place) this.current.place -= 1;
  }

  find(number) {
    const found = this.finished.find((object) => object.number === number);
    if (!found) throw new ApiError(`There is no object ${number}.`, "nothing");
    return found;
  }

  listed(number, session) {
    return { number, name: `object ${number}`, colour: this.colours[(number - 1) % this.colours.length], area: areaOf(session) };
  }

  /** What the page shows, in the form of the server's answers. */
  state() {
    const { number, place, shown, answers } = this.current;
    const { clicks, view } = this.session;
    const { width, height } = this.image;
    const mask = pngOf(this.session, "mask").split(",")[1];
    const current = {
      ...this.listed(number, this.session), clicks, place, mask, view, redo: answers.length - 1 - shown, from_mask: false, layers: ["probability"],
    };
    const timing = this.timing;
    this.timing = {};
    const objects = this.finished.map((found) => this.listed(found.number, found.answers.at(-1)));
    return { image: { name: this.name, height, width }, settings: {}, objects, current, timing };
  }
}

function areaOf({ prob }) {
  let area = 0;
  for (let i = 0; i < prob.length; i++) area += prob[i] > 0.5;
  return area;
}

/** A gray PNG as a data address: the mask as 0 and 255, or the probability from 0 to 255. */
export function pngOf({ prob, height, width }, what) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const data = context.createImageData(width, height);
  for (let i = 0; i < prob.length; i++) {
    const value = what === "mask" ? (prob[i] > 0.5 ? 255 : 0) : Math.round(255 * prob[i]);
    data.data.fill(value, 4 * i, 4 * i + 3);
    data.data[4 * i + 3] = 255;
  }
  context.putImageData(data, 0, 0);
  return canvas.toDataURL("image/png");
}
