// The leaderboard: models by variables at one metric, lead time and region, sorted and filtered.
"use strict";
(() => {
  const { scores, at, format, chosen, onChoice, element, breakable } = climbench;
  const board = document.getElementById("board");
  if (!scores || !board) return;
  const order = { column: null, down: false }; // column null: by name

  const skillOf = (value, reference, orientation) => {
    if (value === null || reference === null || orientation !== "lower") return null;
    return Math.abs(reference) > 0 ? 1 - Math.abs(value) / Math.abs(reference) : null;
  };

  /** How good a score is, less is better; null sorts last. */
  const penalty = (value, orientation) => {
    if (value === null || orientation === "none") return value;
    return orientation === "higher" ? -value : orientation === "zero" ? Math.abs(value) : value;
  };

  const colourOf = (skill) => {
    const step = scores.limits.filter((limit) => Math.abs(100 * skill) > limit).length;
    return step ? `${skill > 0 ? "better" : "worse"}${step}` : "same";
  };

  const percent = (skill) => {
    const rounded = Math.round(100 * skill);
    return `${rounded > 0 ? "+" : rounded < 0 ? "−" : ""}${Math.abs(rounded)} %`;
  };

  /** What the test of a score against a reference says: "1" beyond chance, "0" not, "." no test. */
  const markOf = (place, reference) => (scores.marks[scores.models[reference].name] || "")[place] || ".";

  const cellOf = (place, referencePlace, reference, orientation, smallest, best, anyTest) => {
    const value = scores.score[place];
    const cell = element("td", {}, element("span", { className: "value" }, format(value, smallest)));
    if (best) cell.classList.add("best");
    const skill = place === referencePlace ? null : skillOf(value, scores.score[referencePlace], orientation);
    const notes = [];
    if (skill !== null) notes.push(percent(skill));
    const mark = value === null || place === referencePlace ? "" : markOf(place, reference);
    if (mark === "0") {
      notes.push("n.s.");
      cell.classList.add("doubt");
    } else if (skill !== null) {
      cell.classList.add(colourOf(skill));
      if (mark === "." && anyTest) notes.push("n.t.");
    }
    if (notes.length) cell.append(element("span", { className: "note" }, notes.join(" ")));
    const [low, high] = [scores.lower[place], scores.upper[place]];
    if (low !== null && high !== null) cell.title = `95 % interval: ${format(low, smallest)} to ${format(high, smallest)}`;
    return cell;
  };

  const headingOf = (text, units, column) => {
    const button = element("button", { type: "button" }, ...breakable(text));
    if (units) button.append(element("span", { className: "units" }, ` ${units}`));
    const sorted = order.column === column;
    button.append(element("span", { className: "arrow", "aria-hidden": "true" }, sorted ? (order.down ? " ▼" : " ▲") : ""));
    button.addEventListener("click", () => {
      order.down = sorted ? !order.down : false;
      order.column = column;
      draw();
      board.querySelectorAll("thead button")[column === null ? 0 : column + 1].focus();
    });
    return element("th", { scope: "col", "aria-sort": sorted ? (order.down ? "descending" : "ascending") : "none" }, button);
  };

  const sortedModels = (metric, region, place, orientation) => {
    const models = scores.models.map((_, number) => number);
    const name = (number) => scores.models[number].name;
    const value = (number) => penalty(scores.score[at(metric, order.column, region, place, number)], orientation);
    const compare = order.column === null
      ? (a, b) => name(a).localeCompare(name(b))
      : (a, b) => value(a) - value(b);
    const missing = (number) => order.column !== null && value(number) === null;
    const known = models.filter((number) => !missing(number)).sort(compare);
    if (order.down) known.reverse();
    return [...known, ...models.filter(missing)];
  };

  const draw = () => {
    const [metric, region, place, reference] = ["board-metric", "board-region", "board-place", "board-reference"].map(chosen);
    const { orientation } = scores.metrics[metric];
    const wanted = document.getElementById("board-filter").value.trim().toLowerCase();
    const tests = scores.channels.flatMap((_, channel) => scores.models.map((_, number) =>
      markOf(at(metric, channel, region, place, number), reference)));
    const anyTest = tests.some((mark) => mark !== ".");
    const words = captionOf(metric, region, place, reference, orientation) + chanceOf(anyTest);
    const table = element("table", {}, element("caption", {}, element("span", {}, words)));
    const head = element("tr", {}, headingOf("model", "", null));
    scores.channels.forEach((channel, number) => head.append(headingOf(channel, scores.units[metric][number], number)));
    const body = element("tbody");
    const columns = scores.channels.map((_, channel) => columnOf(metric, channel, region, place, orientation));
    const shown = sortedModels(metric, region, place, orientation).filter((number) =>
      scores.models[number].name.toLowerCase().includes(wanted));
    for (const number of shown) {
      const row = element("tr", {}, modelCell(number));
      columns.forEach(({ smallest, best }, channel) => row.append(cellOf(
        at(metric, channel, region, place, number), at(metric, channel, region, place, reference),
        reference, orientation, smallest, best.has(number), anyTest)));
      body.append(row);
    }
    table.append(element("thead", {}, head), body);
    board.replaceChildren(table);
    document.getElementById("board-count").textContent = `${shown.length} of ${scores.models.length} models`;
  };

  const modelCell = (number) => {
    const { name, baseline, card } = scores.models[number];
    const label = card ? element("a", { href: card }, ...breakable(name)) : element("span", {}, ...breakable(name));
    return element("th", { scope: "row", className: baseline ? "baseline" : "" }, label);
  };

  const columnOf = (metric, channel, region, place, orientation) => {
    const values = scores.models.map((_, number) => scores.score[at(metric, channel, region, place, number)]);
    const sizes = values.filter((value) => value).map(Math.abs);
    const penalties = values.map((value) => penalty(value, orientation));
    const least = Math.min(...penalties.filter((value) => value !== null));
    const best = new Set(orientation === "none" ? [] : [...values.keys()].filter((number) => penalties[number] === least));
    return { smallest: sizes.length ? Math.min(...sizes) : 1, best };
  };

  const BETTER = { lower: "lower is better", higher: "higher is better", zero: "zero is best", none: "neither more nor less is better" };
  const captionOf = (metric, region, place, reference, orientation) => {
    const samples = scores.samples[(metric * scores.regions.length + region) * scores.places.length + place];
    return `${scores.metrics[metric].name} at ${scores.places[place].name}, ${scores.regions[region]}` +
      `${samples ? `, n = ${samples}` : ""}; ${BETTER[orientation]}. ` +
      `${orientation === "lower" ? "Percent and colour: skill against" : "Tests: against"} ${scores.models[reference].name}; `;
  };
  const chanceOf = (anyTest) => anyTest
    ? "n.s.: not significant (paired Diebold-Mariano test, false discovery rate 5 %); n.t.: not tested."
    : "not tested here: differences may be chance.";

  const start = scores.start;
  order.column = start.channel;
  onChoice(["board-metric", "board-region", "board-place", "board-reference"], draw);
  document.getElementById("board-filter").addEventListener("input", draw);
  document.getElementById("board-controls").hidden = false;
  draw();
  board.dataset.ready = "true";
})();
