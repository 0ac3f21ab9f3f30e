// The settings as the server lists them, one line of explanation each; only what was changed is sent.

import { copyOf, make } from "./page.js";

const NAMES = { n_fft: "Window", hop_length: "Hop", n_iter: "Iterations", n_iter_phase: "Griffin-Lim" };
const words = (name) => NAMES[name] ?? name[0].toUpperCase() + name.slice(1).replaceAll("_", " ");

export class Options {
  constructor(form, settings, except) {
    this.rows = settings.filter(({ name }) => !except.includes(name)).map((setting, k, all) => {
      const { name, group, unit, help } = setting;
      const root = copyOf("option", { label: words(name), ".unit": unit, ".help": help });
      const control = controlOf(setting);
      control.id = root.querySelector("label").htmlFor = `setting-${name}`;
      root.querySelector(".help").id = `help-${name}`;
      control.setAttribute("aria-describedby", `help-${name}`);
      root.querySelector(".field").prepend(control);
      control.onchange = () => root.classList.toggle("changed", valueOf(setting, control) !== setting.default);
      if (group !== all[k - 1]?.group) form.append(make("h3", words(group)));
      form.append(root);
      return { setting, control };
    });
  }
  restore(settings) {
    for (const { setting: { name, default: usual }, control } of this.rows) {
      control[control.type === "checkbox" ? "checked" : "value"] = settings[name] ?? (control.placeholder ? "" : usual);
      control.onchange();
    }
  }
  get changed() {
    const others = this.rows.filter(({ setting, control }) => valueOf(setting, control) !== setting.default);
    return Object.fromEntries(others.map(({ setting, control }) => [setting.name, valueOf(setting, control)]));
  }
}
function controlOf({ default: usual, choices, least, most }) {
  if (typeof usual === "boolean") return make("input", "", { type: "checkbox", checked: usual });
  if (!choices?.length) {
    const type = typeof usual === "number" || least != null ? "number" : "text";
    return make("input", "", { type, placeholder: usual ?? "not set", step: "any", min: least ?? "", max: most ?? "" });
  }
  const select = make("select");
  select.append(...choices.map((choice) => new Option(choice, choice, choice === usual, choice === usual)));
  return select;
}
const valueOf = ({ default: usual }, { type, value, checked }) =>
  type === "checkbox" ? checked : value === "" ? usual : type === "number" ? Number(value) : value;
