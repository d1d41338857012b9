// Curves over lead time, bars where there is one lead or a scenario, and scores along dimensions of
// their own; drawn by Vega-Lite, with a button for each model.
"use strict";
(() => {
  const { scores, read, at, chosen, onChoice, element, breakable, colour, looks, dark } = climbench;
  const hidden = new Set();
  const redraws = [];

  const theme = () => {
    const [text, line] = [colour("--text"), colour("--line")];
    return {
      background: "transparent",
      font: "system-ui, sans-serif",
      view: { stroke: null },
      axis: { labelColor: text, titleColor: text, gridColor: line, domainColor: line, tickColor: line, labelFontSize: 12, titleFontSize: 12 },
    };
  };

  /** Channels of a chart that all marks share. */
  const styled = (models) => {
    const shown = looks(models);
    const domain = shown.map(({ name }) => name);
    const scale = (key) => ({ domain, range: shown.map((look) => look[key]) });
    return {
      color: { field: "model", type: "nominal", scale: scale("colour"), legend: null },
      shape: { field: "model", type: "nominal", scale: scale("shape"), legend: null },
      strokeDash: { field: "model", type: "nominal", scale: scale("dash"), legend: null },
    };
  };

  const hasBounds = (values) => values.some(({ low }) => low !== null && low !== undefined);

  const lines = (values, x, y, models) => {
    const { color, shape, strokeDash } = styled(models);
    const bands = hasBounds(values);
    const tooltip = [
      { field: "model", title: "model" }, { field: "x", title: x.title },
      { field: "y", title: y.title, format: ".5~g" },
      ...(bands
        ? [{ field: "low", title: "lower", format: ".4~g" }, { field: "high", title: "upper", format: ".4~g" }] : []),
    ];
    return {
      data: { values },
      encoding: { x: { field: "x", ...x }, y: { field: "y", ...y }, color },
      layer: [
        ...(bands ? [{ mark: { type: "area", opacity: 0.15 }, encoding: { y: { field: "low", type: "quantitative", title: y.title }, y2: { field: "high" } } }] : []),
        { mark: { type: "line", strokeWidth: 2 }, encoding: { strokeDash } },
        { mark: { type: "point", filled: true, size: 45, opacity: 1 }, encoding: { shape, tooltip } },
      ],
    };
  };

  /** Bars beside each other, of each model at each rank. */
  const histogram = (values, x, y, models) => ({
    data: { values },
    encoding: { x: { field: "x", ...x }, y: { field: "y", ...y } },
    layer: [{
      mark: { type: "bar" },
      encoding: { xOffset: { field: "model", type: "nominal" }, color: styled(models).color, tooltip: [{ field: "model" }, { field: "x", title: x.title }, { field: "y", title: y.title, format: ".4~g" }] },
    }],
  });

  /** Lead times that were scored, at most nine of them. */
  const leadTicks = () => {
    const hours = scores.places.map((place) => place.hours);
    const every = Math.ceil(hours.length / 9);
    return hours.filter((_, number) => (hours.length - 1 - number) % every === 0);
  };

  const bars = (values, title, models) => ({
    data: { values },
    facet: { row: { field: "place", type: "nominal", title: null, header: { labelColor: colour("--text"), labelOrient: "top", labelAnchor: "start" } } },
    spec: {
      width: 480,
      encoding: {
        y: { field: "model", type: "nominal", title: null, sort: { field: "rank", op: "min" }, axis: { labelLimit: 220 } },
        x: { field: "y", type: "quantitative", title },
        color: styled(models).color,
        tooltip: [{ field: "model" }, { field: "y", title, format: ".5~g" }],
      },
      layer: [
        { mark: { type: "bar", height: { band: 0.6 } } },
        ...(hasBounds(values) ? [{ mark: { type: "rule", color: colour("--text") }, encoding: { x: { field: "low", type: "quantitative", title }, x2: { field: "high" }, color: { value: colour("--text") } } }] : []),
      ],
    },
  });

  const embed = async (place, spec, description) => {
    const target = document.getElementById(place);
    const whole = { $schema: "https://vega.github.io/schema/vega-lite/v6.json", description, config: theme(), ...spec };
    if (!spec.facet) Object.assign(whole, { width: "container", height: 340, autosize: { type: "fit", contains: "padding" } });
    await vegaEmbed(target, whole, { actions: false, renderer: "svg", ast: true });
    target.dataset.ready = "true";
  };

  /** How the truth, or a perfect forecast, looks: like no model. */
  const IDEAL = () => ({ colour: colour("--text"), dash: [1, 0], width: 6, opacity: 0.4 });

  /** A piece of a model's line. */
  const swatch = (look) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
    for (const [key, value] of Object.entries({ class: "swatch", viewBox: "0 0 30 6", "aria-hidden": "true" })) svg.setAttribute(key, value);
    const drawn = { x1: 0, x2: 30, y1: 3, y2: 3, stroke: look.colour, "stroke-width": look.width ?? 3, "stroke-opacity": look.opacity ?? 1, "stroke-dasharray": look.dash[1] ? look.dash.join(" ") : "none" };
    for (const [key, value] of Object.entries(drawn)) line.setAttribute(key, value);
    svg.append(line);
    return svg;
  };

  /** Buttons that show and hide models in every chart of the page; of those that are `known`. What
   * the forecasts are held against, `ideal`, is named and cannot be pressed. */
  const legend = (list, models, known = null, ideal = "") => {
    const focused = list.contains(document.activeElement) ? document.activeElement.textContent : null;
    const shown = looks(models);
    list.replaceChildren(...models.flatMap(({ name }, number) => {
      if (known && !known.has(name)) return [];
      const look = shown[number];
      const button = element("button", { type: "button", "aria-pressed": String(!hidden.has(name)) }, swatch(look), ...breakable(name));
      button.addEventListener("click", () => {
        if (!hidden.delete(name)) hidden.add(name);
        for (const other of document.querySelectorAll(".legend button")) {
          if (other.textContent === name) other.setAttribute("aria-pressed", String(!hidden.has(name)));
        }
        redraws.forEach((redraw) => redraw());
      });
      return [element("li", {}, button)];
    }));
    if (ideal) list.append(element("li", { className: "ideal" }, swatch(IDEAL()), ideal));
    for (const button of list.querySelectorAll("button")) if (button.textContent === focused) button.focus();
  };

  const titleOf = (name, units) => (units ? `${name} [${units}]` : name);

  const scoreCurves = () => {
    const [metric, channel, region] = ["curve-metric", "curve-channel", "curve-region"].map(chosen);
    const title = titleOf(scores.metrics[metric].name, scores.units[metric][channel]);
    const values = [];
    scores.models.forEach(({ name }, model) => {
      if (hidden.has(name)) return;
      scores.places.forEach((place, number) => {
        const here = at(metric, channel, region, number, model);
        if (scores.score[here] === null) return;
        values.push({ model: name, x: place.hours, place: place.name, y: scores.score[here], low: scores.lower[here], high: scores.upper[here], rank: model });
      });
    });
    const what = `${title} of ${scores.channels[channel]}, ${scores.regions[region]}`;
    const zero = scores.metrics[metric].orientation === "lower";
    const several = scores.axis === "lead_time" && scores.places.length > 1;
    const spec = several
      ? lines(values, { type: "quantitative", title: "lead time [h]", scale: { zero: false, nice: false, padding: 12 }, axis: { values: leadTicks(), format: ".3~g" } }, { type: "quantitative", title, scale: { zero } }, scores.models)
      : bars(values, title, scores.models);
    document.getElementById("curve-caption").textContent = `${what}. ${!hasBounds(values) ? "No intervals." : several ? "Shaded: 95 % intervals." : "Whiskers: 95 % intervals."} Grey: baselines.`;
    return embed("curve-chart", spec, what);
  };

  const idealRows = (curve, channel, place) => (curve.ideal ?? [])
    .slice((channel * scores.places.length + place) * curve.x.length, (channel * scores.places.length + place + 1) * curve.x.length)
    .map((y, number) => ({ x: curve.x[number], y }))
    .filter(({ x, y }) => y !== null && (!curve.logarithmic || (x > 0 && y > 0)));

  const idealLine = (values) => ({
    data: { values },
    mark: { type: "line", strokeWidth: IDEAL().width, opacity: IDEAL().opacity },
    encoding: { color: { value: IDEAL().colour } },
  });

  const ownCurves = (curves) => {
    const curve = curves[chosen("own-curve")];
    const [channel, place] = ["own-channel", "own-place"].map(chosen);
    const values = [];
    const known = new Set();
    curve.x.forEach((x, number) => scores.models.forEach(({ name }, model) => {
      const y = curve.values[((channel * scores.places.length + place) * curve.x.length + number) * scores.models.length + model];
      const drawable = y !== null && (!curve.logarithmic || (x > 0 && y > 0));
      if (drawable) known.add(name);
      if (!hidden.has(name) && drawable) values.push({ model: name, x, y });
    }));
    const scale = curve.logarithmic ? { type: "log", nice: false } : { zero: curve.name.startsWith("rank_histogram") };
    const axis = curve.logarithmic ? { format: "~g", labelOverlap: true } : {};
    const ideal = idealRows(curve, channel, place);
    legend(document.getElementById("own-legend"), scores.models, known, ideal.length ? curve.ideal_name : "");
    const title = curve.across || titleOf(curve.name, curve.units[channel]);
    const event = curve.events?.[channel] ? ` (event: ${scores.channels[channel]} ${curve.events[channel]})` : "";
    const what = `${titleOf(curve.name, curve.units[channel])} of ${scores.channels[channel]} at ${scores.places[place].name}${event}`;
    const ranks = curve.name.startsWith("rank_histogram");
    const along = curve.numbers && !ranks ? { type: "quantitative", title: curve.along, scale, axis } : { type: "ordinal", title: curve.along, axis: { labelAngle: 0, labelOverlap: true } };
    const across = { type: "quantitative", title, scale, axis: curve.logarithmic ? { format: ".0e" } : {} };
    const spec = (ranks ? histogram : lines)(values, along, across, scores.models);
    if (ideal.length) spec.layer.splice(ranks ? 1 : 0, 0, idealLine(ideal)); // behind lines, which it would hide; before bars
    document.getElementById("own-caption").textContent = values.length ? `${what}.${ideal.length ? ` Thick grey line: ${curve.ideal_name}.` : ""}` : `${what}: no value.`;
    return embed("own-chart", spec, what);
  };

  const trainingCurves = (history) => {
    const values = history.rows.filter((row) => row.y !== null);
    const models = [...new Set(values.map((row) => row.model))].map((name) => ({ name, baseline: false }));
    const spec = lines(values, { type: "quantitative", title: history.along }, { type: "quantitative", title: "loss", scale: { zero: false } }, models);
    for (const { encoding } of spec.layer) { // legends of one field must agree: of these there is none
      delete encoding.strokeDash;
      delete encoding.shape;
    }
    spec.encoding.color.legend = { title: null, orient: "top", labelColor: colour("--text"), labelFontSize: 12 };
    return embed("training-chart", spec, "loss over training");
  };

  const start = (draw) => { redraws.push(draw); draw(); };
  const own = read("curves-data");
  const history = read("training-data");
  if (scores && document.getElementById("curve-chart")) {
    legend(document.getElementById("curve-legend"), scores.models);
    onChoice(["curve-metric", "curve-channel", "curve-region"], scoreCurves);
    start(scoreCurves);
  }
  if (scores && own && document.getElementById("own-chart")) {
    onChoice(["own-curve", "own-channel", "own-place"], () => ownCurves(own));
    start(() => ownCurves(own));
  }
  if (history && document.getElementById("training-chart")) start(() => trainingCurves(history));
  dark.addEventListener("change", () => {
    const list = document.getElementById("curve-legend");
    if (list) legend(list, scores.models); // that of the other curves follows these
    redraws.forEach((redraw) => redraw());
  });
})();
