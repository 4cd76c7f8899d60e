// Files that the user chooses or drops on the page.

import { bytesOf } from "./layers.js";

const $ = (id) => document.getElementById(id);

/** `openImage`, `loadMask` and `openSession` take a file; `dropped` takes one and whether Alt was held. */
export function wireFiles({ openImage, loadMask, openSession, dropped }) {
  for (const [input, action] of [["image-file", openImage], ["mask-file", loadMask], ["session-file", openSession]]) {
    $(input).onchange = () => {
      const [file] = $(input).files;
      $(input).value = ""; // so that the same one can be chosen again
      if (file) action(file);
    };
  }
  $("open").onclick = $("open-welcome").onclick = () => $("image-file").click();
  $("load-mask").onclick = () => $("mask-file").click();
  $("load-session").onclick = () => $("session-file").click();
  let depth = 0; // dragenter and dragleave come for every element on the way
  document.addEventListener("dragenter", () => ($("drop-hint").hidden = ++depth === 0));
  document.addEventListener("dragleave", () => ($("drop-hint").hidden = --depth <= 0));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    $("drop-hint").hidden = true;
    const [file] = event.dataTransfer.files;
    if (file) dropped(file, event.altKey);
  });
}

/** The image in a session file; null if there is none, or where the server will say what is wrong with the file. */
export async function imageInside(file) {
  try {
    const { name, data } = JSON.parse(await file.text()).image;
    return new File([bytesOf(data)], name);
  } catch {
    return null;
  }
}
