// The page: what the user does goes to the server one request after another, and every answer is shown as a whole.

import { ApiError, get, getBlob, getFile, leave, limits, send, thumbnail, upload } from "./api.js";
import { Controls, element, toast } from "./controls.js";
import { imageInside, wireFiles } from "./files.js";
import { showInset } from "./inset.js";
import { wireKeys } from "./keys.js";
import { bytesOf, coloured, decoded, seeThrough, tinted } from "./layers.js";
import { wireMenus } from "./menus.js";
import { showObjects } from "./objects.js";
import { Stage } from "./stage.js";

const $ = (id) => document.getElementById(id);
const POLL = 300; // milliseconds between questions how far a long request is
const PATIENCE = 1000; // milliseconds until cancelling is offered

let key = null; // of the open session
let preparing = null; // key of one that is shown when it is ready
let state = null;
let controls = null;
let queue = Promise.resolve();
let running = 0;
let cancelled = 0; // so many times; jobs that were waiting then are not begun
const tints = new Map(); // object number -> { area, fill, outline }

const stage = new Stage($("canvas"), {
  onClick: (y, x, positive) => key && click(y, x, positive),
  onMove: (pixel) => ($("position").textContent = pixel ? `y ${pixel.y}  x ${pixel.x}` : ""),
  onScale: (scale) => ($("zoom-level").textContent = `${Math.round(100 * scale)} %`),
});

// --- requests ---------------------------------------------------------------------------------------------------------------

/**
 * Run jobs one after another; `what` is shown meanwhile, and a failure as a toast. Resolves to whether it succeeded.
 * `answers` says that the open session answers clicks in it, which can be cancelled.
 */
function enqueue(what, job, answers = false) {
  running += 1;
  const asked = cancelled;
  const done = queue.then(async () => {
    const begun = performance.now();
    const poll = setInterval(() => watch(what, begun, answers), POLL);
    $("progress").hidden = false;
    $("work").textContent = what;
    try {
      if (asked !== cancelled) return false;
      await job();
      if (state?.timing.model) showLatency(performance.now() - begun);
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) console.error(error);
      toast(error.message, error.code === "cancelled" ? "note" : "error");
      if (error.code === "stale_session") close();
      return false;
    } finally {
      clearInterval(poll);
      running -= 1;
      $("cancel").hidden = true;
      if (!running) {
        $("progress").hidden = true;
        $("progress").classList.remove("known");
        $("progress").ariaValueNow = null;
        $("progress").firstElementChild.style.width = "";
        $("work").textContent = "";
      }
    }
  });
  queue = done;
  return done;
}

async function watch(what, begun, answers) {
  const spent = performance.now() - begun;
  $("work").textContent = `${what} ${(spent / 1000).toFixed(1)} s`;
  if (!answers || !(preparing ?? key)) return;
  $("cancel").hidden = spent < PATIENCE;
  const { done, total } = await get(at("progress", preparing ?? key)).catch(() => ({ total: 0 }));
  if (total > 1 && running) showShare(done / total, `${what}: click ${done} of ${total}`);
}

/** Give up what is being answered, and whatever waits for it. */
function cancel() {
  if (!running || !(preparing ?? key)) return;
  cancelled += 1;
  stage.waiting = [];
  stage.draw();
  send("POST", at("cancel", preparing ?? key)).catch((error) => toast(error.message, "error"));
}

function showShare(share, text) {
  $("progress").classList.add("known");
  $("progress").ariaValueNow = Math.round(100 * share);
  $("progress").firstElementChild.style.width = `${100 * share}%`;
  $("work").textContent = text;
}

function showLatency(milliseconds) {
  const { model, server } = state.timing;
  $("latency").textContent = `network ${Math.round(model)} ms, all ${Math.round(milliseconds)} ms`;
  document.body.dataset.latency = milliseconds.toFixed(1);
  document.body.dataset.server = server;
  state.timing = {}; // told
}

const at = (path, session = key) => `/api/sessions/${session}/${path}`;

function act(what, method, path, body) {
  return enqueue(what, async () => show(await send(method, at(path), body)), true);
}

// --- opening and closing ----------------------------------------------------------------------------------------------------

/** Where an image is opened in place of the one that is open. */
const opening = (kind = "") => `/api/sessions${kind}${key ? `?instead=${key}` : ""}`;

function openFile(file) {
  return enqueue("opening", async () => {
    const begun = await upload(opening(), "image", file, (share) => showShare(share, `sending ${Math.round(100 * share)} %`));
    await begin(await asBefore(begun), file);
  });
}

function openPicture(name) {
  return enqueue("opening", async () => begin(await asBefore(await send("POST", opening("/picture"), { name }))));
}

/** A session that was just opened, with the settings of the one before. */
async function asBefore(begun) {
  if (!state || JSON.stringify(state.settings) === JSON.stringify(begun.settings)) return begun;
  const told = await send("PUT", `/api/sessions/${begun.id}/settings`, state.settings).catch(() => begun); // another model now
  return { ...told, id: begun.id };
}

async function openSession(file) {
  const image = await imageInside(file);
  return enqueue("replaying", async () => {
    const notice = image ? await replayOn(image, file) : await replayHere(file);
    toast(notice ? `Replayed, but ${notice}.` : "Replayed; every mask is as it was recorded.");
  }, true);
}

/** In a session beside the open one, which stays if this fails or is cancelled. */
async function replayOn(image, file) {
  preparing = (await upload("/api/sessions", "image", image)).id;
  const place = `/api/sessions/${preparing}`;
  try {
    const told = await upload(`${place}/replay`, "session", file);
    await begin({ ...told, id: preparing });
    return told.notice;
  } catch (error) {
    leave(`${place}/close`);
    throw error;
  } finally {
    preparing = null;
  }
}

async function replayHere(file) {
  const told = await upload(key ? at("replay") : "/api/sessions/replay", "session", file);
  tints.clear(); // numbers begin at 1 again
  await show(told);
  return told.notice;
}

/** Show a session that was just opened; `file` saves the way of the image back where the browser can read it. */
async function begin(begun, file) {
  if (key) leave(at("close"));
  key = begun.id;
  const { height, width, name } = begun.image;
  let image = file && (await createImageBitmap(file).catch(() => null));
  const same = image && image.width === width && image.height === height && !seeThrough(image);
  if (!same) image = await createImageBitmap(await getBlob(at("image"))); // the pixels that the network sees
  tints.clear();
  $("welcome").hidden = true;
  $("layer").value = "-1";
  document.title = `${name} - isegm`;
  stage.show(image);
  await show(begun);
}

function close() {
  key = state = null;
  stage.show(null);
  tints.clear();
  showCrop();
  $("objects").replaceChildren();
  $("object-count").textContent = 0;
  $("welcome").hidden = false;
  showButtons();
}

function loadMask(file) {
  return enqueue("reading the mask", async () => show(await upload(at("mask"), "mask", file)));
}

// --- showing ----------------------------------------------------------------------------------------------------------------

async function show(told) {
  state = told;
  const { current, objects, settings } = state;
  controls.show(settings);
  const masks = [];
  const numbers = new Set(objects.map((found) => found.number));
  for (const number of tints.keys()) if (!numbers.has(number)) tints.delete(number); // it may come back with another mask
  for (const found of objects) masks.push(await tintOf(found));
  const pixels = await decoded(new Blob([bytesOf(current.mask)], { type: "image/png" }));
  masks.push(tinted(pixels, current.colour));
  stage.masks = masks;
  stage.clicks = current.clicks;
  stage.crop = current.view?.box ?? null;
  showCrop();
  showLayers(current.layers);
  await showMap();
  $("object-count").textContent = objects.length;
  showObjects($("objects"), state, { reopen, save: (number) => download(at(`objects/${number}/mask.png`)), remove });
  showCurrent(current);
  showButtons();
  stage.draw();
}

async function tintOf({ number, colour, area }) {
  const known = tints.get(number);
  if (known && known.area === area) return known;
  const made = { area, ...tinted(await decoded(await getBlob(at(`objects/${number}/mask.png`))), colour) };
  tints.set(number, made);
  return made;
}

function showLayers(names) {
  const select = $("layer");
  const chosen = select.value;
  select.replaceChildren(element("option", { value: "-1" }, "none"), ...names.map((name, index) => element("option", { value: String(index) }, name)));
  select.value = Number(chosen) < names.length ? chosen : "-1";
}

async function showMap() {
  const index = Number($("layer").value);
  stage.map = index < 0 || !key ? null : coloured(await decoded(await getBlob(at(`layers/${index}.png`))));
  stage.draw();
}

function showCrop() {
  showInset($("inset"), stage.image, stage.options.crop ? state?.current.view : null);
}

function showCurrent(current) {
  $("current-number").style.background = `rgb(${current.colour})`;
  const count = current.clicks.length;
  const share = (100 * current.area) / (state.image.width * state.image.height);
  const begun = current.from_mask ? "from a mask, " : "";
  const unheld = state.settings.sis && count && !current.clicks.some((click) => click.positive);
  const why = unheld ? ". Empty because no click is on the object yet (Keep connected parts)." : "";
  $("current-info").textContent = count || current.from_mask
    ? `${begun}${count} click${count === 1 ? "" : "s"}, ${current.area.toLocaleString("en")} px (${share.toFixed(1)} %)${why}`
    : "No clicks yet. Left: on the object, right: off it.";
  const view = current.view;
  $("view-info").textContent = view ? `seen at ${view.size[1]} × ${view.size[0]}` : "";
  document.body.dataset.area = current.area;
  document.body.dataset.clicks = count;
}

function showButtons() {
  const current = state?.current;
  $("undo").disabled = !current?.clicks.length;
  $("redo").disabled = !current?.redo;
  $("reset").disabled = !(current?.clicks.length || current?.redo || current?.from_mask);
  $("finish").disabled = !current?.area;
  for (const id of ["load-mask", "save-button", "defaults"]) $(id).disabled = !key;
}

// --- what the user does -----------------------------------------------------------------------------------------------------

function click(y, x, positive) {
  const waiting = { y, x, positive };
  stage.waiting.push(waiting);
  stage.draw();
  return enqueue("answering", async () => {
    try {
      await show(await send("POST", at("clicks"), waiting));
    } finally {
      stage.waiting = stage.waiting.filter((other) => other !== waiting);
      stage.draw();
    }
  }, true);
}

async function configure(changes) {
  if (!key) return;
  if (!(await act("answering again", "PUT", "settings", changes)) && state) controls.show(state.settings, true);
}

async function download(path) {
  await enqueue("saving", async () => {
    const { blob, name } = await getFile(path);
    const link = element("a", { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  });
}

/** An image opens, a session file is replayed, and with Alt held an image is taken for a mask. */
function dropped(file, asMask) {
  if (file.name.endsWith(".json")) return openSession(file);
  return asMask && key ? loadMask(file) : openFile(file);
}

const doable = (id, action) => () => $(id).disabled || action();
const undo = doable("undo", () => act("undoing", "POST", "undo"));
const redo = doable("redo", () => act("redoing", "POST", "redo"));
const reset = doable("reset", () => act("resetting", "POST", "reset"));
const finish = doable("finish", () => act("finishing", "POST", "finish"));
const reopen = (number) => act("opening again", "POST", `objects/${number}/reopen`);
const remove = (number) => act("deleting", "DELETE", `objects/${number}`);

const SHORTCUTS = [
  ["Left click, right click", "on the object, off it (or Shift and click)"],
  ["Wheel, drag", "enlarge, move"],
  ["Arrow keys, Enter", "move a cross on the image (Shift: faster), click there (Shift: off the object)"],
  ["Ctrl+Z", "undo", undo],
  ["Ctrl+Y", "redo", redo],
  ["R", "reset the object", reset],
  ["N", "finish the object, begin the next", finish],
  ["Esc", "cancel what is being answered", cancel],
  ["O", "open an image", () => $("image-file").click()],
  ["S", "save the mask of this object", () => key && download(at("mask.png"))],
  ["F", "fit to the window", () => stage.fit()],
  ["+", "larger", () => stage.zoom(1.25)],
  ["-", "smaller", () => stage.zoom(0.8)],
  ["P", "probability on and off", () => toggleMap()],
  ["C", "crop on and off", () => flip("show-crop")],
  ["M", "mask on and off", () => flip("show-mask")],
  ["?", "these shortcuts", () => $("help").showModal()],
  ["Drop a file", "open it; a mask with Alt held; a session file is replayed"],
];

function flip(id) {
  $(id).checked = !$(id).checked;
  $(id).dispatchEvent(new Event("change"));
}

function toggleMap() {
  if (!key) return;
  $("layer").value = $("layer").value === "-1" ? "0" : "-1";
  enqueue("drawing the map", showMap);
}

// --- wiring -----------------------------------------------------------------------------------------------------------------

function wireShow() {
  const shown = { alpha: ["alpha", (input) => Number(input.value)], radius: ["radius", (input) => Number(input.value)],
    mask: ["show-mask", (input) => input.checked], crop: ["show-crop", (input) => input.checked] };
  for (const [option, [id, value]] of Object.entries(shown)) {
    const input = $(id);
    const output = input.parentElement.querySelector("output");
    input.oninput = input.onchange = () => {
      stage.options[option] = value(input);
      if (output) output.textContent = input.value;
      stage.draw();
      if (option === "crop") showCrop();
    };
    input.oninput();
  }
  $("layer").onchange = () => enqueue("drawing the map", showMap);
  $("zoom-in-button").onclick = () => stage.zoom(1.25);
  $("zoom-out").onclick = () => stage.zoom(0.8);
  $("zoom-level").onclick = () => stage.fit();
}

function offer(pictures) {
  for (const name of pictures) $("pictures").append(element("button", { onclick: () => openPicture(name) }, name));
  for (const [index, name] of pictures.slice(0, 8).entries()) {
    const button = element("button", { onclick: () => openPicture(name), title: name });
    button.append(element("img", { src: thumbnail(index), alt: name }));
    $("gallery").append(button);
  }
}

async function start() {
  wireFiles({ openImage: openFile, loadMask, openSession, dropped });
  wireShow();
  wireMenus();
  for (const [id, action] of Object.entries({ undo, redo, reset, finish, cancel })) $(id).onclick = action;
  for (const entry of $("save").querySelectorAll("button")) entry.onclick = () => download(at(entry.dataset.file));
  $("help-button").onclick = () => $("help").showModal();
  wireKeys(SHORTCUTS, $("help"));
  window.addEventListener("resize", showCrop);
  window.addEventListener("pagehide", () => key && leave(at("close")));
  const info = await get("/api/info");
  limits.upload = info.limits.upload_bytes;
  $("model").textContent = `${info.method} · ${info.checkpoint.name} · ${info.protocol} · ${info.device}`;
  controls = new Controls($("controls"), info.controls, configure);
  $("defaults").onclick = () => configure(Object.fromEntries(info.controls.map((control) => [control.name, control.default])));
  offer(info.pictures);
  document.body.dataset.ready = "yes";
  const wanted = new URLSearchParams(location.search).get("picture");
  if (wanted) openPicture(wanted);
}

start().catch((error) => toast(error.message, "error"));
