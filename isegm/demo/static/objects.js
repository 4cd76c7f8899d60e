// The list of objects: the finished ones, and in its place the one that was taken into work again.

import { element } from "./controls.js";

/** `actions` are `reopen(number)`, `save(number)` and `remove(number)`. */
export function showObjects(place, { objects, current }, actions) {
  const items = objects.map((found) => finished(found, actions));
  if (current.place !== null) items.splice(current.place, 0, inWork(current, actions));
  place.replaceChildren(...items);
}

function finished(found, { reopen, save, remove }) {
  const open = element("button", { className: "entry", title: "Take it into work again" });
  open.append(...described(found));
  open.onclick = () => reopen(found.number);
  const saving = small("↓", "Save its mask, 0/255 PNG", `Save the mask of ${found.name}`, () => save(found.number));
  return item(open, saving, removing(found, remove));
}

function inWork(current, { remove }) {
  const entry = element("span", { className: "entry", title: "In work again" });
  entry.append(...described({ ...current, name: `${current.name}, in work` }));
  const made = item(entry, removing(current, remove));
  made.className = "current";
  made.setAttribute("aria-current", "true");
  return made;
}

function described({ name, colour, area }) {
  const patch = element("span", { className: "colour" });
  patch.style.background = `rgb(${colour})`;
  return [patch, element("span", { className: "name" }, name), element("span", { className: "area" }, `${area.toLocaleString("en")} px`)];
}

function removing({ number, name }, remove) {
  return small("×", "Delete", `Delete ${name}`, () => remove(number));
}

function small(text, title, label, onclick) {
  return element("button", { className: "quiet-button", title, ariaLabel: label, onclick }, text);
}

function item(...parts) {
  const made = element("li");
  made.append(...parts);
  return made;
}
