// The network in the browser: an exported model (docs/reference/onnx.md), run by onnxruntime-web.

import * as ort from "./ort.js";
import { pasted, resized } from "./resampling.js";
import { viewOf } from "./zoom_in.js";

const CHANNELS = 4; // of the pixels of a canvas

export class Network {
  /** Fetch model and runtime, which lie beside the page. */
  static async load(description) {
    const beside = (name) => new URL(name, import.meta.url).href;
    ort.env.wasm.wasmPaths = { mjs: beside("ort-wasm.js"), wasm: beside("ort-wasm.wasm") };
    // Threads need a page that no other origin can reach into, which few static hosts arrange.
    ort.env.wasm.numThreads = crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency || 1) : 1;
    const options = { executionProviders: ["wasm"] };
    return new Network(await ort.InferenceSession.create(beside(description.file), options), description);
  }

  constructor(session, description) {
    this.session = session;
    this.settings = description.answers.view;
  }

  /** A session: an image and no click yet. `data` is ImageData. */
  start(data) {
    const { height, width } = data;
    const planes = [0, 1, 2].map((channel) => {
      const plane = new Float32Array(height * width);
      for (let i = 0; i < plane.length; i++) plane[i] = data.data[CHANNELS * i + channel] / 255;
      return plane;
    });
    return { height, width, planes, prob: new Float32Array(height * width), clicks: [], box: null, view: null };
  }

  /** The session after one more click; the old one stays as it is. */
  async click(session, click) {
    const clicks = [...session.clicks, click];
    const view = viewOf(this.settings, session, clicks);
    let after = await this.answered(session, clicks, view);
    const passes = clicks.length === 1 ? this.settings.first_passes : 1;
    for (let pass = 1; pass < passes; pass++) // with its own answer as the previous mask
      after = await this.answered({ ...session, prob: after.prob, view: after.view }, clicks, view);
    return after;
  }

  /** One pass: the session after `clicks`, seen in `view`. */
  async answered(session, clicks, view) {
    const { height, width, planes } = session;
    const shown = resized({ height, width, planes: [...planes, session.prob] }, view.source, view.size);
    const { logits } = await this.session.run(this.inputs(session, shown, clicks, view));
    const size = view.size[0] * view.size[1];
    const answer = logits.data.slice(0, size).map((value) => 1 / (1 + Math.exp(-value)));
    let prob = pasted(answer, view.size, view.target, height, width);
    if (String(view.target) !== String(view.source)) { // a published flaw, see the view rule
      const [top, left, bottom, right] = view.source;
      const between = pasted(answer, view.size, [0, 0, bottom - top, right - left], bottom - top, right - left);
      prob = pasted(between, [bottom - top, right - left], view.target, height, width);
    }
    return { ...session, clicks, prob, box: view.held, view: { box: view.source, size: view.size } };
  }

  inputs(session, shown, clicks, { source: [top, left, bottom, right], size: [rows, columns] }) {
    const image = new Float32Array(3 * rows * columns);
    shown.planes.slice(0, 3).forEach((plane, channel) => image.set(plane, channel * rows * columns));
    const coords = clicks.flatMap(({ y, x }) => [(columns * (x - left)) / (right - left), (rows * (y - top)) / (bottom - top)]);
    const labels = clicks.map(({ positive }) => BigInt(positive ? 1 : 0));
    return {
      image: new ort.Tensor("float32", image, [1, 3, rows, columns]),
      point_coords: new ort.Tensor("float64", Float64Array.from(coords), [1, clicks.length, 2]),
      point_labels: new ort.Tensor("int64", BigInt64Array.from(labels), [1, clicks.length]),
      prev_mask: new ort.Tensor("float32", shown.planes[3], [1, 1, rows, columns]),
      has_prev_mask: new ort.Tensor("float32", Float32Array.of(session.view ? 1 : 0), [1]),
    };
  }
}
