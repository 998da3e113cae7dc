"use strict";
// The page of 'batchscore view'. All text from outside is set as text, never as HTML.

const $ = (id) => document.getElementById(id);
const whole = new Intl.NumberFormat("en");

// plain returns a text with characters that are not seen, or put others in another order, as codes.
const unseen = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
const plain = (text) => text.replace(unseen, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));

// make returns an element with attributes, listeners and children. Texts among them are plain.
function make(name, attributes, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (typeof value === "function") e.addEventListener(key, value);
    else if (value !== undefined) e.setAttribute(key, value);
  }
  e.append(...children.filter((c) => c !== undefined && c !== null).map((c) => (typeof c === "string" ? plain(c) : c)));
  return e;
}

const percent = (n, of) => (of > 0 ? (100 * n / of).toFixed(n > 0 && n < of ? 1 : 0) + "%" : "");
const score = (v) => (v === undefined ? "" : v.toFixed(4));

function span(seconds) {
  const s = Math.round(seconds);
  if (s < 60) return s + " s";
  if (s < 3600) return Math.floor(s / 60) + " min " + (s % 60) + " s";
  return Math.floor(s / 3600) + " h " + Math.floor(s % 3600 / 60) + " min";
}

const time = (t) => (t ? t.replace("T", " ").replace(/(\.\d+)?Z$/, " UTC") : "");

const stages = {
  "": "", waiting: "Waiting for the job to begin: no rank has written anything yet.", reading: "Reading the output for the first time.", listing: "The images are being listed.", scoring: "Scoring.",
  stopped: "Stopped: not complete, and no rank is at work.", checking: "All images have rows; the parts are being checked.",
  complete: "Complete.", retrying: "Complete, and some images are being scored again.", damaged: "Damaged.",
};

// state

let seen = null; // the last answer about the job
let etag = "";
let timer = 0;

async function look() {
  clearTimeout(timer);
  let wait = 5;
  try {
    const r = await fetch("progress", { headers: etag ? { "If-None-Match": etag } : {}, cache: "no-store" });
    if (r.status === 200) {
      etag = r.headers.get("ETag") || "";
      const before = seen;
      seen = await r.json();
      try {
        show(before);
      } catch (e) {
        throw new Error("This page could not show the answer, which is a mistake in it: " + e.message, { cause: "page" });
      }
    } else if (r.status !== 304) {
      throw new Error((await r.text()).trim());
    }
    lost("");
    wait = seen ? Math.max(0.5, seen.every_seconds) : 2;
  } catch (e) {
    lost(e.cause === "page" ? e.message : "No answer from batchscore view: it has ended, or the connection is lost. (" + e.message + ")");
  }
  if (!document.hidden) timer = setTimeout(look, wait * 1000);
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });

let lostText = "";
function lost(text) {
  lostText = text;
  const all = [text, seen && seen.trouble].filter(Boolean).join(" ");
  const p = $("trouble");
  if (p.textContent !== all) p.textContent = all;
  p.hidden = !all;
}

// progress

function show(before) {
  $("output").textContent = seen.output;
  const reading = seen.stage === "reading";
  document.title = (seen.images && !reading ? Math.floor(100 * seen.images_done / seen.images) + "% " : "") + seen.output + " - batchscore view";
  let stage = stages[seen.stage] || seen.stage;
  if (seen.retry) stage += " " + whole.format(seen.retry.images_done) + " of " + whole.format(seen.retry.images) + " so far.";
  const all = seen.collection;
  if (seen.after) stage += " It continues " + seen.after + (all ? ": " + all.text + "." : "; the rows that it keeps are shown once it is complete.");
  if (all && !all.shown && !seen.trouble) {
    stage += " Own rows are shown until those of the whole collection are read: " + whole.format(all.read) + " of " + whole.format(all.images) + ".";
  }
  if (seen.waiting) stage += " (" + seen.waiting + ")";
  if (reading && seen.images) stage += " " + whole.format(seen.rows) + " rows so far, of at most " + whole.format(seen.images) + ".";
  else if (!(all && all.shown) && seen.rows < seen.images_done) stage += " Reading the rows: " + whole.format(seen.rows) + " of " + whole.format(seen.images_done) + ".";
  if ($("stage").textContent !== stage) $("stage").textContent = stage;
  $("simulated").hidden = !seen.simulated;
  lost(lostText);
  const done = seen.images ? 100 * seen.images_done / seen.images : seen.stage === "complete" ? 100 : 0;
  $("bar").setAttribute("aria-valuenow", done.toFixed(1));
  $("bar").firstElementChild.style.width = done + "%";
  showFigures();
  showRates();
  showRanks();
  showLabels();
  showScores();
  showFailures();
  showStatuses();
  $("no-images").hidden = !seen.no_images;
  $("no-images").textContent = seen.no_images || "";
  if (before && before.edition !== seen.edition && $("large").open) $("large").close();
  if (seen.rows > 0 && (!before || before.rows === 0 || before.edition !== seen.edition)) ask();
  else if (seen.rows > 0) found();
}

function speed(perSecond) {
  return (perSecond < 10 ? perSecond.toPrecision(2) : whole.format(Math.round(perSecond))) + " images/s";
}

function showFigures() {
  if (!seen.images && !seen.collection) {
    $("figures").replaceChildren();
    return;
  }
  const collection = seen.collection;
  const shown = collection && collection.shown;
  const all = [[seen.stage === "reading" ? "Images read" : "Images",
    shown ? whole.format(collection.images) : whole.format(seen.images_done) + " of " + whole.format(seen.images)]];
  if (shown) all.push(["Own rows", whole.format(seen.images)]);
  if (seen.images_per_second > 0) all.push(["Rate", speed(seen.images_per_second)]);
  if (seen.left_seconds > 0) all.push(["Time left", span(seen.left_seconds)]);
  if (seen.makespan_seconds > 0) all.push(["Took", span(seen.makespan_seconds)]);
  all.push(["Failed", whole.format(seen.failed) + (seen.failed ? " (" + percent(seen.failed, shown ? collection.images : seen.images_done) + ")" : "")]);
  for (const s of seen.statuses) if (s.name !== "ok") all.push([s.name, whole.format(s.images)]);
  if (seen.all_ranks) all.push(["Ranks at work", seen.alive + " of " + seen.all_ranks]);
  if (seen.started) all.push(["Started", time(seen.started)]);
  $("figures").replaceChildren(...all.map(([k, v]) => make("div", {}, make("dt", {}, k), make("dd", {}, v))));
}

function showRates() {
  const r = seen.rates;
  $("rates").hidden = r.length < 2;
  if (r.length < 2) return;
  const most = Math.max(...r.map((x) => x.images_per_second), 1);
  const svg = $("rates").querySelector("svg");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  line.setAttribute("points", r.map((x, i) => (600 * i / (r.length - 1)).toFixed(1) + "," + (58 - 55 * x.images_per_second / most).toFixed(1)).join(" "));
  svg.replaceChildren(line);
  const text = "Since the start: at most " + speed(most) + ", last " + speed(r[r.length - 1].images_per_second);
  svg.setAttribute("aria-label", text);
  $("rates").querySelector("figcaption").textContent = text;
}

function showRanks() {
  $("ranks").hidden = !seen.all_ranks;
  $("ranks").querySelector("summary span").textContent = seen.alive + " of " + seen.all_ranks + " at work";
  const rows = seen.ranks.map((r) => make("tr", {},
    make("td", {}, String(r.rank)), make("td", {}, make("bdi", {}, r.host || "")), make("td", {}, r.state),
    make("td", { class: "n" }, whole.format(r.images)), make("td", { class: "n" }, whole.format(r.chunks)),
    make("td", { class: "n" }, whole.format(r.holding)), make("td", {}, time(r.sign))));
  if (seen.all_ranks > seen.ranks.length) rows.push(make("tr", {}, make("td", { colspan: 7 }, "and " + (seen.all_ranks - seen.ranks.length) + " more")));
  $("ranks").querySelector("tbody").replaceChildren(...rows);
}

// changed reports whether a list was made for other texts, and remembers those.
function changed(list, texts) {
  const key = JSON.stringify(texts);
  if (list.dataset.made === key) return false;
  list.dataset.made = key;
  return true;
}

// bars shows a list with bars, kept under the same key from one answer to the next, so
// that the keyboard's place in the list stays.
function bars(list, all, most, choose) {
  const kept = new Map([...list.children].map((li) => [li.dataset.key, li]));
  const items = all.map((one) => {
    let li = kept.get(one.key);
    if (!li) {
      li = make("li", {}, make("button", { type: "button", click: () => choose(one.key) }, make("bdi", {}, one.text), make("meter", { min: 0, "aria-hidden": "true" }), make("span", { class: "n" })));
      li.dataset.key = one.key;
    }
    const m = li.querySelector("meter");
    m.max = most || 1;
    m.value = one.images;
    li.querySelector("span").textContent = whole.format(one.images);
    return li;
  });
  const same = items.length === list.children.length && items.every((li, i) => li === list.children[i]);
  if (!same) {
    const focused = document.activeElement;
    list.replaceChildren(...items);
    if (focused && list.contains(focused)) focused.focus();
  }
}

function showLabels() {
  const all = seen.labels.map((l) => ({ key: l.name, text: l.name, images: l.images }));
  bars($("labels"), all, all.length ? all[0].images : 1, (label) => filter({ label }));
  const known = $("known-labels");
  if (changed(known, all.map((l) => l.key))) known.replaceChildren(...all.map((l) => make("option", { value: l.key })));
}

function showScores() {
  const n = seen.scores.length;
  const all = seen.scores.map((images, i) => ({ key: (i / n).toFixed(2), text: (i / n).toFixed(2) + " to " + ((i + 1) / n).toFixed(2), images }));
  bars($("scores"), all, Math.max(...seen.scores, 1), (from) => filter({ from, to: (Number(from) + 1 / n).toFixed(2) }));
}

function showFailures() {
  $("no-failures").hidden = seen.failures.length > 0;
  $("failures").hidden = seen.failures.length === 0;
  const body = $("failures").querySelector("tbody");
  const edition = seen.edition;
  const key = edition + ":" + seen.failures.map((f) => f.row).join();
  if (body.dataset.key === key) return;
  body.dataset.key = key;
  body.replaceChildren(...seen.failures.map((f) => make("tr", {},
    make("td", {}, make("button", { type: "button", class: "link", click: () => open(f.row, edition) }, make("bdi", {}, f.path))),
    make("td", {}, f.status), make("td", {}, make("bdi", {}, f.error)), make("td", {}, time(f.at) || "in an earlier output"))));
}

function showStatuses() {
  const select = $("filter").elements.status;
  const names = ["failed", ...seen.statuses.map((s) => s.name)];
  if (!changed(select, names)) return;
  const now = select.value || wanted.status || "";
  select.replaceChildren(make("option", { value: "" }, "any"), ...names.map((n) => make("option", { value: n }, n === "failed" ? "failed (all)" : n)));
  select.value = now;
}

// rows

const fields = ["status", "label", "from", "to", "contains", "order"];
let wanted = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
let rows = [];
let next = 0;
let answer = null;
let asked = 0; // grows with each question, so that an answer that comes late is dropped

function fill() {
  for (const f of fields) {
    const e = $("filter").elements[f];
    e.value = wanted[f] || (f === "order" ? "order" : "");
  }
}

// filter shows the rows that fulfil only these conditions.
function filter(conditions) {
  wanted = conditions;
  fill();
  ask();
  $("images-title").scrollIntoView({ block: "start" });
}

function read() {
  wanted = {};
  for (const f of fields) {
    let v = $("filter").elements[f].value.trim();
    if (f === "from" || f === "to") v = v.replace(",", ".");
    if (v && !(f === "order" && v === "order")) wanted[f] = v;
  }
}

async function ask(after) {
  const mine = ++asked;
  const q = new URLSearchParams(wanted);
  history.replaceState(null, "", q.size ? "#" + q : location.pathname);
  if (after) q.set("after", after);
  try {
    const r = await fetch("rows?" + q, { cache: "no-store" });
    if (mine !== asked) return;
    if (!r.ok) throw new Error((await r.text()).trim());
    answer = await r.json();
  } catch (e) {
    if (mine !== asked) return;
    $("found").textContent = e.message;
    return;
  }
  answer.version = seen ? seen.version : 0;
  if (after && rows.length && answer.edition !== rows[0].edition) return ask(); // what came before has other numbers now
  for (const r of answer.rows) r.edition = answer.edition;
  if (!after) {
    rows = [];
    $("grid").replaceChildren();
  }
  next = answer.next;
  rows.push(...answer.rows);
  $("grid").append(...answer.rows.map(card));
  $("more").hidden = !next;
  found();
}

function found() {
  if (!answer) return;
  let text = answer.matching >= 0 ? whole.format(answer.matching) + (answer.matching === 1 ? " image" : " images") : whole.format(rows.length) + " found" + (next ? " so far" : "");
  if (answer.matching > rows.length) text += ", " + whole.format(rows.length) + " shown";
  if (answer.labels) text += " of " + (answer.labels === 1 ? "a label that contains" : whole.format(answer.labels) + " labels that contain") + " this text";
  if (answer.untold) text += "; " + whole.format(answer.untold) + " have labels after the first 65,535, which this filter does not find";
  if (answer.searched) text += "; searched " + whole.format(answer.searched) + " of " + whole.format(answer.of);
  if (seen && seen.version !== answer.version) text += "; there are new rows since, press Show";
  if ($("found").textContent !== text) $("found").textContent = text;
}

function card(r) {
  const frame = make("span", { class: "frame" });
  const failed = r.status !== "ok";
  if (failed) {
    frame.textContent = "no picture";
  } else if (!seen || !seen.no_images) {
    frame.append(make("img", { loading: "lazy", decoding: "async", alt: "", src: "image?size=small&row=" + r.row + "&edition=" + r.edition, error: (e) => retry(e.target, frame) }));
  }
  return make("li", {}, make("button", { type: "button", title: plain(r.path), click: () => open(r.row, r.edition) }, frame,
    make("span", { class: failed ? "says failed" : "says" }, make("bdi", {}, failed ? r.status : r.label || ""), make("span", { class: "n" }, failed ? "" : score(r.score))),
    make("bdi", { class: "path" }, r.path)));
}

// retry asks once more for a picture for which there was no turn, and says else that there is none.
function retry(img, frame) {
  if (!img.dataset.again) {
    img.dataset.again = "1";
    setTimeout(() => { img.src = img.src + "&again=1"; }, 1500);
    return;
  }
  frame.textContent = "no picture";
}

$("filter").addEventListener("submit", (e) => { e.preventDefault(); read(); ask(); });
$("filter").addEventListener("reset", () => setTimeout(() => { wanted = {}; fill(); ask(); }));
$("more").addEventListener("click", () => ask(next));

// one image

let opened = -1;

async function open(row, edition) {
  opened = row;
  const ask = "row=" + row + "&edition=" + edition;
  const d = $("large");
  const picture = $("picture");
  $("large-title").firstElementChild.textContent = "Image " + row;
  $("details").replaceChildren();
  picture.textContent = "";
  if (!d.open) d.showModal();
  const at = rows.findIndex((r) => r.row === row);
  $("previous").disabled = at <= 0;
  $("next").disabled = at < 0 || at + 1 >= rows.length;
  if (!seen || !seen.no_images) {
    picture.append(make("img", { alt: "The image of this row", src: "image?size=large&" + ask, error: () => why(row, ask) }));
  }
  try {
    const r = await fetch("row?" + ask, { cache: "no-store" });
    if (!r.ok) throw new Error((await r.text()).trim());
    const one = await r.json();
    if (opened === row) details(one);
  } catch (e) {
    if (opened === row) $("details").textContent = e.message;
  }
}

async function why(row, ask) {
  let text = "no picture";
  try {
    text = (await (await fetch("image?size=large&" + ask, { cache: "no-store" })).text()).trim();
  } catch (e) { /* the server is gone, which the page says elsewhere */ }
  if (opened === row) $("picture").textContent = text;
}

function details(one) {
  $("large-title").firstElementChild.textContent = plain(one.path);
  const list = [["Status", one.status || "no row yet"]];
  if (one.error) list.push(["Why", one.error]);
  if (one.label !== undefined && one.status === "ok") list.push(["Label", one.label]);
  if (one.score !== undefined) list.push(["Score", score(one.score)]);
  if (one.margin !== undefined) list.push(["Margin", score(one.margin)]);
  for (const v of one.values || []) list.push([v.name, v.value]);
  list.push(["Size", whole.format(one.bytes) + " bytes"], ["Address", one.address], ["Row", whole.format(one.row)]);
  const all = [make("dl", {}, ...list.flatMap(([k, v]) => [make("dt", {}, k), make("dd", {}, make("bdi", {}, v))]))];
  if (one.classes) {
    all.push(make("table", {}, make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Class"), make("th", { scope: "col", class: "n" }, "Score"))),
      make("tbody", {}, ...one.classes.map((c) => make("tr", {}, make("td", {}, make("bdi", {}, c.label)), make("td", { class: "n" }, score(c.score)))))));
  }
  $("details").replaceChildren(...all);
}

function step(by) {
  const at = rows.findIndex((r) => r.row === opened) + by;
  if (rows[at] && at - by >= 0) open(rows[at].row, rows[at].edition);
}

$("previous").addEventListener("click", () => step(-1));
$("next").addEventListener("click", () => step(1));
$("close").addEventListener("click", () => $("large").close());
$("large").addEventListener("keydown", (e) => {
  if (e.key === "ArrowLeft") step(-1);
  if (e.key === "ArrowRight") step(1);
});
$("large").addEventListener("close", () => { opened = -1; });

fill();
look();
