// The settings that the loaded method has, built from what the server says about them.

const WAIT = 350; // milliseconds after the last change of a number before it is sent

export class Controls {
  /** `onChange({ name: value })` is told of every change by the user. */
  constructor(place, described, onChange) {
    this.inputs = new Map();
    this.onChange = onChange;
    for (const group of new Set(described.map((control) => control.group))) {
      const section = element("section");
      section.append(element("h3", {}, group));
      described.filter((control) => control.group === group).forEach((control) => section.append(this.row(control)));
      place.append(section);
    }
  }

  row(control) {
    const row = element("label", { className: "control", title: control.hint });
    row.append(element("span", {}, control.label));
    const input = { choice: this.choice, toggle: this.toggle, whole: this.number, number: this.number }[control.kind].call(this, control);
    input.name = control.name;
    input.disabled = true;
    this.inputs.set(control.name, { input, control });
    row.append(input);
    return row;
  }

  choice(control) {
    const input = element("select");
    for (const value of control.choices) input.append(element("option", { value: JSON.stringify(value) }, value === 0 ? "off" : String(value)));
    input.onchange = () => this.onChange({ [control.name]: JSON.parse(input.value) });
    return input;
  }

  toggle(control) {
    const input = element("input", { type: "checkbox", className: "switch" });
    input.onchange = () => this.onChange({ [control.name]: input.checked });
    return input;
  }

  number(control) {
    const input = element("input", { type: "number", min: control.low, max: control.high, step: control.kind === "whole" ? 1 : "any" });
    let timer = 0;
    input.oninput = () => {
      clearTimeout(timer);
      timer = setTimeout(() => input.value !== "" && this.onChange({ [control.name]: Number(input.value) }), WAIT);
    };
    return input;
  }

  /** Show what the server says is set. An input that has the focus is being typed into and stays as it is. */
  show(settings, force = false) {
    for (const [name, { input, control }] of this.inputs) {
      input.disabled = !(name in settings);
      if (!(name in settings) || (input === document.activeElement && control.kind !== "choice" && control.kind !== "toggle" && !force)) continue;
      if (control.kind === "toggle") input.checked = settings[name];
      else input.value = control.kind === "choice" ? JSON.stringify(settings[name]) : settings[name];
    }
  }
}

export function element(tag, properties = {}, text = "") {
  const made = Object.assign(document.createElement(tag), properties);
  if (text) made.textContent = text;
  return made;
}

export function toast(message, kind = "note") {
  const made = element("div", { className: `toast ${kind}`, onclick: () => made.remove() }, message);
  if (kind === "error") made.setAttribute("role", "alert");
  document.getElementById("toasts").append(made);
  setTimeout(() => made.remove(), kind === "error" ? 9000 : 4500);
}
