"use strict";
// The page is whole without this. It adds filters, sorting, and pictures one by one.
(() => {
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const number = (n) => n.toLocaleString("en");
  const plain = (text) => text.normalize("NFKC").toLowerCase();
  all("[data-js]").forEach((e) => { e.hidden = false; });

  // Tables: a button in each heading sorts, and says how.
  const fold = (table) => {
    const shown = Number(table.dataset.listed);
    if (shown) all("tbody tr", table).forEach((tr, i) => tr.classList.toggle("tail", i >= shown));
  };
  const value = (tr, column) => {
    const cell = tr.cells[column];
    return cell.dataset.v === undefined ? cell.textContent.trim() : Number(cell.dataset.v);
  };
  const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));
  for (const table of all("table[data-sortable]")) {
    const heads = all("thead th", table);
    for (const th of heads) {
      if (th.hasAttribute("data-fixed")) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...th.childNodes);
      th.append(button);
      button.addEventListener("click", () => {
        const numeric = th.classList.contains("num");
        const now = th.getAttribute("aria-sort");
        const down = now ? now === "ascending" : numeric;
        heads.forEach((h) => h.removeAttribute("aria-sort"));
        th.setAttribute("aria-sort", down ? "descending" : "ascending");
        const body = table.tBodies[0];
        const rows = [...body.rows].map((tr) => [value(tr, th.cellIndex), tr]);
        rows.sort((a, b) => (down ? compare(b[0], a[0]) : compare(a[0], b[0])));
        body.append(...rows.map((r) => r[1]));
        fold(table);
      });
    }
  }
  for (const input of all("input[data-filter]")) {
    const table = document.getElementById(input.dataset.filter);
    const found = document.querySelector(`[data-found="${input.dataset.filter}"]`);
    const unfold = document.querySelector(`[data-unfold="${input.dataset.filter}"]`);
    let opened = false;
    input.addEventListener("input", () => {
      const wanted = plain(input.value.trim());
      if (unfold && wanted && !unfold.checked) { unfold.checked = true; opened = true; }
      if (unfold && !wanted && opened) { unfold.checked = false; opened = false; }
      let n = 0;
      const rows = all("tbody tr", table);
      for (const tr of rows) {
        tr.hidden = wanted !== "" && !plain(tr.cells[0].textContent).includes(wanted);
        if (!tr.hidden) n++;
      }
      found.textContent = wanted ? `${number(n)} of ${number(rows.length)}` : "";
    });
  }

  // Pictures: a filter for all galleries.
  const form = document.getElementById("picture-filter");
  const shots = all(".shot");
  const filter = () => {
    const text = plain(form.elements.text.value.trim());
    const status = form.elements.status.value;
    const least = form.elements.least.value === "" ? -Infinity : Number(form.elements.least.value);
    const most = form.elements.most.value === "" ? Infinity : Number(form.elements.most.value);
    const scored = form.elements.least.value !== "" || form.elements.most.value !== "";
    let n = 0;
    for (const shot of shots) {
      const d = shot.dataset;
      const score = d.score === "" ? NaN : Number(d.score);
      shot.hidden = !(plain(d.text).includes(text) && (!status || d.status === status) && (!scored || (score >= least && score <= most)));
      if (!shot.hidden) n++;
    }
    for (const gallery of all(".gallery")) {
      gallery.querySelector(".none").hidden = all(".shot:not([hidden])", gallery).length > 0;
    }
    document.getElementById("picture-found").textContent = n === shots.length ? "" : `${number(n)} of ${number(shots.length)} pictures`;
  };
  if (form) {
    form.addEventListener("input", filter);
    form.addEventListener("submit", (e) => e.preventDefault());
    form.addEventListener("reset", () => setTimeout(filter));
  }

  // The viewer shows one picture of a gallery at a time.
  const viewer = document.getElementById("viewer");
  if (!viewer || !viewer.showModal) return;
  let row = [];
  let at = 0;
  const show = () => {
    const shot = row[at];
    const img = shot.querySelector("img");
    const name = shot.querySelector(".cap");
    document.getElementById("viewer-title").replaceChildren(...[...name.childNodes].map((n) => n.cloneNode(true)));
    document.getElementById("viewer-at").textContent = `${number(at + 1)} of ${number(row.length)}`;
    const large = document.createElement("img");
    if (img) {
      large.alt = img.alt;
      large.src = shot.dataset.large || img.src;
      large.classList.toggle("whole", Boolean(shot.dataset.large));
    }
    document.getElementById("viewer-picture").replaceChildren(...(img ? [large] : []));
    document.getElementById("viewer-more").replaceChildren(shot.querySelector(".more").cloneNode(true));
    viewer.querySelector('[data-step="-1"]').disabled = at === 0;
    viewer.querySelector('[data-step="1"]').disabled = at === row.length - 1;
  };
  const step = (by) => {
    const next = at + by;
    if (next < 0 || next >= row.length) return;
    at = next;
    show();
    if (!viewer.contains(document.activeElement) || document.activeElement.disabled) document.getElementById("viewer-title").focus();
  };
  document.addEventListener("click", (e) => {
    const summary = e.target.closest(".shot summary");
    if (!summary) return;
    e.preventDefault();
    const shot = summary.closest(".shot");
    row = all(".shot:not([hidden])", shot.closest(".shots"));
    at = row.indexOf(shot);
    show();
    viewer.showModal();
    document.getElementById("viewer-title").focus();
  });
  viewer.addEventListener("click", (e) => {
    if (e.target === viewer || e.target.closest("[data-close]")) viewer.close();
    const button = e.target.closest("[data-step]");
    if (button) step(Number(button.dataset.step));
  });
  viewer.addEventListener("keydown", (e) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
    if (by && !e.altKey && !e.ctrlKey && !e.metaKey) { e.preventDefault(); step(by); }
  });
  viewer.addEventListener("close", () => row[at] && row[at].querySelector("summary").focus());
})();
