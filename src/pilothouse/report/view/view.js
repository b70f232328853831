"use strict";
// Draws curves, looks again while a run goes on, filters as one types, and moves through an episode step by step.

document.documentElement.classList.add("scripted");
const COLOURS = ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6"];
const DASHES = ["solid", "dash", "dot", "dashdot"];
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const make = (name, text, attributes = {}) => {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
};
const short = (x) => (x === null || x === undefined || Number.isNaN(x) ? "–" : Math.abs(x) >= 1000 ? Math.round(x).toLocaleString("en") : Number(x.toPrecision(4)).toString());

function faded(colour, alpha) {
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
  return `rgba(${r},${g},${b},${alpha})`;
}

function layoutOf(yTitle, more = {}) {
  const axis = { gridcolor: style("--rule"), zerolinecolor: style("--faint"), linecolor: style("--faint"), automargin: true };
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 50, r: 14, t: 8, b: 40 },
    font: { family: style("--sans"), size: 12.5, color: style("--ink") }, hovermode: "x unified",
    hoverlabel: { bgcolor: style("--raised"), font: { color: style("--ink") } },
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
    xaxis: { ...axis, title: { text: "steps" } }, yaxis: { ...axis, title: { text: yTitle } }, ...more,
  };
}
const CONFIG = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };

function traces(answer) {
  const made = [];
  answer.runs.forEach((run, i) => {
    const colour = style(COLOURS[i % COLOURS.length]);
    const dash = DASHES[Math.floor(i / COLOURS.length) % DASHES.length];
    const group = `run-${i}`;
    if (run.low) {
      made.push({ x: run.steps.concat([...run.steps].reverse()), y: run.high.concat([...run.low].reverse()), fill: "toself",
        fillcolor: faded(colour, 0.15), line: { width: 0 }, hoverinfo: "skip", showlegend: false, legendgroup: group });
    }
    for (const seed of run.seeds) {
      made.push({ x: seed.steps, y: seed.values, mode: "lines", line: { color: faded(colour, 0.4), width: 1 }, hoverinfo: "skip",
        showlegend: false, legendgroup: group });
    }
    made.push({ x: run.steps, y: run.center, mode: run.steps.length < 3 ? "markers+lines" : "lines", name: run.label,
      line: { color: colour, width: 2.4, dash }, legendgroup: group, showlegend: answer.runs.length > 1 });
  });
  return made;
}

async function asked(url, options) {
  const response = await fetch(url, options);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error || response.statusText);
  return answer;
}

async function draw(place) {
  try {
    const answer = await asked(place.dataset.curves);
    await Plotly.react(place, traces(answer), layoutOf(answer.metric), CONFIG);
    place.dataset.drawn = answer.metric;
  } catch (fault) {
    place.replaceChildren(make("p", `The curves could not be drawn: ${fault.message}`, { class: "failed" }));
  }
}

for (const place of document.querySelectorAll("[data-curves]")) {
  draw(place);
  if (place.dataset.live) setInterval(() => draw(place), 4000);
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.querySelectorAll("[data-curves]").forEach(draw));

const metric = document.getElementById("q-metric");
const alone = document.querySelector("[data-run]");
if (metric && alone) {
  metric.addEventListener("change", () => {
    const place = document.querySelector("[data-curves]");
    const url = new URL(place.dataset.curves, location.href);
    url.searchParams.set("metric", metric.value);
    place.dataset.curves = url.pathname + url.search;
    draw(place);
  });
}
if (alone && alone.dataset.live) {
  const look = setInterval(async () => {
    try {
      const now = await asked(`/api/run?name=${encodeURIComponent(alone.dataset.run)}`);
      alone.querySelector("[data-step]").textContent = now.step;
      alone.querySelector("[data-return]").textContent = now.return;
      if (now.state !== "running") { clearInterval(look); location.reload(); }
    } catch { /* the server may have been stopped: what is shown stays */ }
  }, 2000);
}
if (document.querySelector("[data-live-runs]")) {
  setInterval(() => { if (!document.querySelector("input[name=run]:checked") && document.activeElement?.type !== "search") location.reload(); }, 10000);
}

for (const form of document.querySelectorAll("form[data-auto]")) {
  let waiting;
  form.addEventListener("change", (event) => { if (event.target.type !== "search") form.requestSubmit(); });
  form.addEventListener("input", (event) => {
    if (event.target.type !== "search") return;
    clearTimeout(waiting);
    waiting = setTimeout(() => refresh(form), 250);
  });
}

// What one types filters the list in place: the answer's list takes the place of this one, and the cursor stays.
async function refresh(form) {
  const query = new URLSearchParams(new FormData(form)).toString();
  const response = await fetch(`${location.pathname}?${query}`);
  const answer = new DOMParser().parseFromString(await response.text(), "text/html");
  const [mine, theirs] = [document.getElementById("content"), answer.getElementById("content")];
  if (!theirs) return;
  const keep = form.parentElement === mine ? form : null;
  const [before, after] = [[...theirs.children], []];
  const place = before.findIndex((child) => child.matches("form[data-auto]"));
  for (const child of [...mine.children]) if (child !== keep) child.remove();
  before.forEach((child, i) => (i < place ? mine.insertBefore(child, keep) : i > place && after.push(child)));
  mine.append(...after);
  history.replaceState(null, "", `${location.pathname}?${query}`);
}

// ---- an episode, step by step

const watchForm = document.querySelector("form[data-watch]");
if (watchForm) {
  watchForm.addEventListener("submit", async (event) => {
    event.preventDefault();
    const [stage, button] = [document.getElementById("stage"), watchForm.querySelector("button")];
    button.disabled = true;
    stage.replaceChildren(make("p", "Acting …", { class: "quiet", role: "status" }));
    const query = new URLSearchParams({ name: watchForm.dataset.watch, ...Object.fromEntries(new FormData(watchForm)) });
    try {
      show(stage, await asked(`/api/episode?${query}`, { method: "POST" }));
    } catch (fault) {
      stage.replaceChildren(make("p", fault.message, { class: "notice", role: "alert" }));
    }
    button.disabled = false;
  });
}

function readings(caption, names, withBars) {
  const table = make("table");
  table.append(make("caption", caption));
  const body = make("tbody");
  const rows = names.map((name) => {
    const row = make("tr");
    const cells = [make("th", name, { scope: "row" }), make("td", "", { class: "n" })];
    if (withBars) { cells.push(make("td", undefined, { class: "b" })); cells[2].append(make("span", undefined, { class: "meter" })); }
    row.append(...cells);
    body.append(row);
    return cells;
  });
  table.append(body);
  return [table, rows];
}

function show(stage, episode) {
  const last = episode.steps - 1;
  const box = make("div", undefined, { class: "watch" });
  const left = make("div"), right = make("div");
  const total = episode.toCome[0];
  left.append(make("p", `${episode.place}, episode ${episode.seed}: ${episode.steps} steps, return ${short(total)}, ended by ${episode.ended}.`));
  let picture = null;
  if (episode.frames) { picture = make("img", undefined, { class: "picture", alt: "The environment at this step" }); left.append(picture); }
  else left.append(make("p", "No pictures of this episode.", { class: "none" }));
  const slider = make("input", undefined, { type: "range", min: 0, max: last, value: 0, "aria-label": "Step" });
  const play = make("button", "Play", { type: "button", class: "plain" });
  const told = make("output", "");
  const controls = make("div", undefined, { class: "controls" });
  controls.append(play, slider, told);
  left.append(controls);
  for (const note of episode.notes) left.append(make("p", note, { class: "quiet" }));

  const numbers = make("dl", undefined, { class: "numbers" });
  const field = (name) => { const d = make("div"), v = make("dd"); d.append(make("dt", name), v); numbers.append(d); return v; };
  const reward = field("Reward"), soFar = field("Return so far"), toCome = field("Still to come");
  const value = episode.value ? field("Expected (discounted)") : null;
  right.append(numbers);
  const wide = make("div", undefined, { class: "readings", tabindex: "0", role: "region", "aria-label": "Readings at this step" });
  const [actions, actionRows] = readings("Action", episode.action[0].map((_, i) => `action[${i}]`), false);
  wide.append(actions);
  let obsRows = [];
  if (episode.obsNames.length) {
    const caption = episode.sensitivity ? "Observation; the bar says how much the action moves when this entry moves by its own spread" : "Observation";
    const [table, rows] = readings(caption, episode.obsNames, Boolean(episode.sensitivity));
    obsRows = rows;
    wide.append(table);
  }
  right.append(wide);
  const chart = make("div", undefined, { class: "plot", role: "img", "aria-label": "Value, what is still to come, and reward, by step" });
  box.append(left, right, chart);
  stage.replaceChildren(box);

  const most = episode.sensitivity ? Math.max(...episode.sensitivity.flat(), 1e-12) : 1;
  const steps = episode.reward.map((_, i) => i);
  const line = (y, name, c) => ({ x: steps, y, name, mode: "lines", line: { color: style(c), width: 2 } });
  const lines = [line(episode.toCome, "still to come", "--c1"), { ...line(episode.reward, "reward", "--c3"), yaxis: "y2", line: { color: style("--c3"), width: 1.2 } }];
  if (episode.value) lines.push(line(episode.value, "expected (discounted)", "--c2"));
  const cursor = (at) => [{ type: "line", x0: at, x1: at, y0: 0, y1: 1, yref: "paper", line: { color: style("--quiet"), width: 1.5, dash: "dot" } }];
  const second = { overlaying: "y", side: "right", title: { text: "reward" }, showgrid: false, automargin: true, zeroline: false, nticks: 4, rangemode: "tozero" };
  Plotly.newPlot(chart, lines, layoutOf("return", { shapes: cursor(0), yaxis2: second, xaxis: { title: { text: "step" }, gridcolor: style("--rule"), automargin: true } }), CONFIG);
  chart.on("plotly_click", (event) => move(event.points[0].x));

  let sum = []; episode.reward.reduce((a, r, i) => (sum[i] = a + r), 0);
  function move(to) {
    const at = Math.max(0, Math.min(last, Math.round(to)));
    slider.value = at;
    slider.setAttribute("aria-valuetext", `step ${at} of ${last}`);
    told.textContent = `step ${at} of ${last}`;
    if (picture) picture.src = `/api/episode/${episode.key}/${Math.min(episode.frames - 1, Math.floor(at / episode.every))}.jpg`;
    reward.textContent = short(episode.reward[at]);
    soFar.textContent = short(sum[at]);
    toCome.textContent = short(episode.toCome[at]);
    if (value) value.textContent = short(episode.value[at]);
    actionRows.forEach((cells, i) => { cells[1].textContent = short(episode.action[at][i]); });
    obsRows.forEach((cells, i) => {
      cells[1].textContent = short(episode.obs[at][i]);
      if (cells[2]) cells[2].firstChild.style.width = `${(100 * episode.sensitivity[at][i]) / most}%`;
    });
    Plotly.relayout(chart, { shapes: cursor(at) });
  }
  slider.addEventListener("input", () => move(Number(slider.value)));
  let playing = null;
  play.addEventListener("click", () => {
    if (playing) { clearInterval(playing); playing = null; play.textContent = "Play"; return; }
    if (Number(slider.value) >= last) move(0);
    play.textContent = "Pause";
    playing = setInterval(() => {
      const next = Number(slider.value) + 1;
      if (next > last) { play.click(); return; }
      move(next);
    }, 60);
  });
  move(0);
  slider.focus();
}
