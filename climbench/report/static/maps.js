// Maps of all models for one variable, kind, lead and view; truth beside forecasts, with a slider.
"use strict";
(() => {
  const { read, chosen, onChoice, element, breakable } = climbench;

  const colourBar = (scale) => {
    const bar = element("div", { className: "colourbar", role: "img", "aria-label": `Colours: ${scale.label}, from ${scale.levels[0]} to ${scale.levels[scale.levels.length - 1]}` });
    const blocks = element("div", { className: "blocks" }, ...scale.colours.map((colour) => {
      const block = element("span");
      block.style.background = colour;
      return block;
    }));
    const first = ["min", "both"].includes(scale.extend) ? 1 : 0; // steps before the first level
    const ticks = element("div", { className: "ticks" });
    const every = Math.ceil(scale.levels.length / 7);
    const zero = Math.max(0, scale.levels.indexOf(0)); // keeps its number
    const widest = Math.max(...scale.levels.map((level) => String(level).length));
    const crowded = (widest * scale.colours.length) / every > 34; // letters in a phone's width
    scale.levels.forEach((level, number) => {
      const place = (number - zero) / every;
      if (!Number.isInteger(place)) return;
      const tick = element("span", { className: crowded && place % 2 ? "between" : "" }, String(level).replace("-", "−"));
      tick.style.left = `${(100 * (number + first)) / scale.colours.length}%`;
      ticks.append(tick);
    });
    bar.append(blocks, ticks, element("div", { className: "label" }, scale.label));
    return bar;
  };

  const picture = (source, alternative, title, size) => element("figure", {},
    element("figcaption", {}, ...breakable(title)),
    element("img", { src: source, alt: alternative, width: size[0], height: size[1], loading: "lazy" }));

  const errorMaps = (maps) => {
    const draw = () => {
      const key = ["map-kind", "map-channel", "map-place", "map-view"].map(chosen).join("-");
      const group = maps.groups[key];
      const target = document.getElementById("map-gallery");
      if (!group) {
        target.replaceChildren(element("p", { className: "quiet" }, "This map is not drawn: the score has none, or the page would be too large. Choose another, or draw it with climbench.plot."));
        return;
      }
      target.replaceChildren(
        element("div", { className: "pictures" }, ...group.pictures.map((each) => picture(each.source, each.alternative, each.title, group.size))),
        colourBar(group.scale));
      target.dataset.ready = "true";
    };
    onChoice(["map-kind", "map-channel", "map-place", "map-view"], draw);
    draw();
  };

  const forecasts = (examples) => {
    const slider = document.getElementById("frame");
    const play = document.getElementById("play");
    let timer = null;
    const draw = () => {
      const scene = examples.scenes[chosen("scene")];
      slider.max = scene.frames.length - 1;
      const frame = scene.frames[Math.min(Number(slider.value), scene.frames.length - 1)];
      document.getElementById("frame-name").textContent = frame.name;
      slider.setAttribute("aria-valuetext", frame.name);
      const target = document.getElementById("forecast-gallery");
      const figures = target.querySelectorAll("figure img");
      if (target.dataset.scene === String(chosen("scene"))) { // other pictures in the same places: no flicker
        frame.pictures.forEach((each, number) => Object.assign(figures[number], { src: each.source, alt: each.alternative }));
        return;
      }
      target.dataset.scene = String(chosen("scene"));
      const rows = frame.pictures.map((each) => picture(each.source, each.alternative, each.title, scene.size));
      target.replaceChildren(element("div", { className: "pictures" }, ...rows), colourBar(scene.scale), colourBar(scene.difference_scale));
      target.dataset.ready = "true";
    };
    const stop = () => { clearInterval(timer); timer = null; play.textContent = "▶ Play"; play.setAttribute("aria-pressed", "false"); };
    play.addEventListener("click", () => {
      if (timer !== null) return stop();
      play.textContent = "❚❚ Pause";
      play.setAttribute("aria-pressed", "true");
      timer = setInterval(() => {
        slider.value = (Number(slider.value) + 1) % (Number(slider.max) + 1);
        draw();
      }, 900);
    });
    onChoice(["scene"], () => { stop(); slider.value = 0; draw(); });
    slider.addEventListener("input", draw);
    draw();
  };

  const maps = read("maps-data");
  if (maps) errorMaps(maps);
  const examples = read("examples-data");
  if (examples) forecasts(examples);
})();
