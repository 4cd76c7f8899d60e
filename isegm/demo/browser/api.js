// The page's requests, answered in the page itself: no server sees an image. It has the functions of the server's api.js.

import { ApiError } from "./errors.js";
import { Network } from "./network.js";
import { Workspace, pngOf } from "./workspace.js";

export { ApiError };
export const limits = { upload: Infinity };

const MOST_PIXELS = 16e6;
let description = null;
let network = null;
const opened = new Map(); // workspaces by key
let count = 0;

export const thumbnail = (index) => `pictures/${encodeURIComponent(description.pictures[index])}`;

export async function get(path) {
  if (path !== "/api/info") return { done: 0, total: 0 }; // how far a request is: none takes long
  description = await (await fetched("model.json")).json();
  network = Network.load(description); // goes on while the visitor chooses a picture
  network.catch(() => {}); // told when somebody clicks
  const { method, checkpoint, protocol, pictures } = description;
  return { method, checkpoint, protocol, pictures, device: "this browser", controls: [], limits: { upload_bytes: Infinity } };
}

export async function getBlob(path) {
  const { work, rest } = of(path);
  if (rest === "image") return new Promise((resolve) => canvasOf(work.image).toBlob(resolve));
  const session = rest.startsWith("objects/") ? work.find(Number(rest.split("/")[1])).answers.at(-1) : work.session;
  return (await fetch(pngOf(session, rest.startsWith("layers/") ? "probability" : "mask"))).blob();
}

export async function getFile(path) {
  const { work, rest } = of(path);
  const number = rest.startsWith("objects/") ? rest.split("/")[1] : work.current.number;
  return { blob: await getBlob(path), name: `${work.name.replace(/\.[^.]+$/, "")}_${number}.png` };
}

export async function send(method, path, body) {
  if (path.startsWith("/api/sessions/picture")) return open(await (await fetched(`pictures/${encodeURIComponent(body.name)}`)).blob(), body.name);
  const { work, rest } = of(path);
  const [what, number, action] = rest.split("/");
  if (method === "DELETE") work.remove(Number(number));
  else if (action === "reopen") work.reopen(Number(number));
  else if (what === "clicks") await work.click(body);
  else if (["undo", "redo", "reset", "finish"].includes(what)) work[what]();
  else if (what !== "settings" && what !== "cancel") throw new ApiError("This page cannot do that; isegm demo can.", "unknown");
  return work.state();
}

export async function upload(path, field, file) {
  if (field !== "image") throw new ApiError("This page opens images only; isegm demo also reads masks and sessions.", "unknown");
  return open(file, file.name);
}

export function leave(path) {
  opened.delete(path.split("/")[3]);
}

async function open(blob, name) {
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" }).catch(() => {
    throw new ApiError(`${name} is no image that this browser can read.`, "image");
  });
  if (bitmap.width * bitmap.height > MOST_PIXELS) throw new ApiError(`${name} has more than ${MOST_PIXELS / 1e6} million pixels.`, "too_large");
  const context = canvasOf(bitmap).getContext("2d");
  const ready = await network.catch((error) => {
    throw new ApiError(`The network cannot be loaded: ${error.message}`, "network");
  });
  const key = String(++count);
  const work = new Workspace(ready, name, context.getImageData(0, 0, bitmap.width, bitmap.height), description.colours);
  opened.set(key, work);
  return { ...work.state(), id: key };
}

function of(path) {
  const [, , , key, ...rest] = path.split("/");
  const work = opened.get(key);
  if (!work) throw new ApiError("This image is closed; open it again.", "stale_session");
  return { work, rest: rest.join("/") };
}

async function fetched(name) {
  const response = await fetch(new URL(name, import.meta.url)).catch(() => null);
  if (!response?.ok) throw new ApiError(`${name} cannot be loaded.`, "unreachable");
  return response;
}

/** A canvas with a picture, a bitmap or ImageData, on white where it is transparent. */
function canvasOf(picture) {
  const canvas = document.createElement("canvas");
  canvas.width = picture.width;
  canvas.height = picture.height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (picture instanceof ImageData) context.putImageData(picture, 0, 0);
  else context.drawImage(picture, 0, 0);
  return canvas;
}
