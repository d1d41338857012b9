// What the scripts of a page share: its data, choices, colours and formats.
"use strict";
const climbench = (() => {
  window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => { each.open = true; }));

  const read = (id) => {
    const element = document.getElementById(id);
    return element ? JSON.parse(element.textContent) : null;
  };

  const scores = read("scores-data");

  /** Place of one model's score in the flat lists. */
  const at = (metric, channel, region, place, model) =>
    (((metric * scores.channels.length + channel) * scores.regions.length + region) * scores.places.length + place) *
      scores.models.length + model;

  /** A score as text, with the decimals that `smallest` of its column needs. */
  const format = (value, smallest) => {
    if (value === null) return "–";
    if (smallest > 0 && Math.abs(value) < 0.01 && smallest < 0.001) return value.toExponential(2).replaceAll("-", "−");
    const decimals = smallest > 0 ? Math.min(4, Math.max(0, 2 - Math.floor(Math.log10(smallest)))) : 2;
    return value.toFixed(decimals).replace(/^-(0\.?0*)$/, "$1").replace("-", "−");
  };

  /** The chosen number of a <select>. */
  const chosen = (id) => {
    const select = document.getElementById(id);
    return select ? Number(select.value) : 0;
  };

  const onChoice = (ids, work) => {
    for (const id of ids) document.getElementById(id)?.addEventListener("change", work);
  };

  const element = (tag, properties = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [key, value] of Object.entries(properties)) {
      if (key.includes("-") || key === "role" || key === "scope") made.setAttribute(key, value);
      else made[key] = value;
    }
    made.append(...children);
    return made;
  };

  /** A name with places to break after its underscores. */
  const breakable = (name) =>
    name.split("_").flatMap((part, n) => (n ? ["_", document.createElement("wbr"), part] : [part]));

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const SHAPES = ["circle", "square", "triangle-up", "diamond", "triangle-down", "cross"];
  const DASHES = [[6, 3], [2, 3], [8, 3, 2, 3], [1, 2]];

  /** How each model looks in every chart: baselines grey and dashed, the others in colour. */
  const looks = (models) => {
    let grey = 0;
    let bright = 0;
    return models.map(({ name, baseline }) => {
      const number = baseline ? grey++ : bright++;
      const turn = baseline ? number : number + Math.floor(number / 6);
      return {
        name,
        colour: baseline ? colour("--series-baseline") : colour(`--series-${(number % 6) + 1}`),
        shape: SHAPES[turn % SHAPES.length],
        dash: baseline ? DASHES[number % DASHES.length] : number < 6 ? [1, 0] : DASHES[(Math.floor(number / 6) - 1) % 4],
      };
    });
  };

  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  return { read, scores, at, format, chosen, onChoice, element, breakable, colour, looks, dark };
})();
