// SPDX-License-Identifier: BSD-3-Clause
// What the report does beyond showing: tables sort, figures say their values, the theme switches.
"use strict";

// -- tables

function valueOf(row, index, isNumber) {
  const cell = row.cells[index];
  const text = cell.dataset.v ?? cell.textContent;
  return isNumber ? (text === "" ? NaN : Number(text)) : text;
}

// Inside each group of rows: groups are what must not be compared with each other.
function sortTable(table, index, isNumber, descending) {
  for (const body of table.tBodies) {
    const rows = [...body.rows].filter((row) => !row.classList.contains("group"));
    const sign = descending ? -1 : 1;
    rows.sort((a, b) => {
      const [x, y] = [valueOf(a, index, isNumber), valueOf(b, index, isNumber)];
      if (!isNumber) return sign * x.localeCompare(y, undefined, { numeric: true });
      // What has no value comes last in either order.
      if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y);
      return sign * (x - y);
    });
    body.append(...rows);
  }
}

for (const table of document.querySelectorAll("table")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, index) => {
    if (!head.dataset.sort) return;
    const isNumber = head.dataset.sort === "number";
    head.dataset.title = head.textContent;  // for paper, where there is nothing to press
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const before = head.getAttribute("aria-sort");
      // Speeds are looked at from the fastest, names from the first.
      const descending = before === "none" ? isNumber : before === "ascending";
      for (const other of heads) if (other.dataset.sort) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      sortTable(table, index, isNumber, descending);
      const order = descending ? "descending" : "ascending";
      document.querySelector(".announce").textContent = `sorted by ${button.textContent}, ${order}`;
    });
  });
}

// -- values of figures

const tip = document.querySelector(".tip");
// Whose values are shown. A page that scrolls to what got the focus makes the pointer leave another
// mark, which must not take these away.
let owner = null;

function showTip(text, x, y, by) {
  owner = by;
  tip.textContent = text;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const left = Math.min(Math.max(x + 14, 6), innerWidth - box.width - 6);
  const top = y + 18 + box.height < innerHeight ? y + 18 : y - box.height - 12;
  tip.style.left = `${Math.max(left, 6)}px`;
  tip.style.top = `${Math.max(top, 6)}px`;
}

function hideTip(by) {
  if (by === owner) tip.hidden = true;
}

for (const datum of document.querySelectorAll("[data-tip]")) {
  datum.addEventListener("pointermove", (event) => showTip(datum.dataset.tip, event.clientX, event.clientY, datum));
  datum.addEventListener("pointerleave", () => hideTip(datum));
  datum.addEventListener("focus", () => {
    const box = datum.getBoundingClientRect();
    showTip(datum.dataset.tip, box.left + box.width / 2, box.bottom - 12, datum);
  });
  datum.addEventListener("blur", () => hideTip(datum));
}

// A panel of curves: a line under the pointer, moved by the arrow keys too, reads all of them.
for (const svg of document.querySelectorAll("svg.curves")) {
  const curves = [...svg.querySelectorAll(".curve")].map((curve) => ({
    name: curve.dataset.name,
    points: JSON.parse(curve.dataset.points),
  }));
  const places = [...new Set(curves.flatMap((curve) => curve.points.map((point) => point[0])))];
  places.sort((a, b) => a - b);
  const cursor = document.createElementNS(svg.namespaceURI, "line");
  cursor.classList.add("cursor");
  let at = -1;

  function nearest(points, x) {
    return points.reduce((best, point) => (Math.abs(point[0] - x) < Math.abs(best[0] - x) ? point : best));
  }
  function read(index, clientY) {
    at = index;
    const x = places[at];
    for (const [name, value] of [["x1", x], ["x2", x], ["y1", 8], ["y2", 176]]) cursor.setAttribute(name, value);
    svg.append(cursor);
    const found = curves.map((curve) => ({ name: curve.name, point: nearest(curve.points, x) }));
    found.sort((a, b) => a.point[1] - b.point[1]);
    const lines = found.map(({ name, point }) => `${name}  ${point[2]} ${point[3]}`);
    const box = svg.getBoundingClientRect();
    const scale = box.width / svg.viewBox.baseVal.width;
    showTip(lines.join("\n"), box.left + x * scale, clientY ?? box.top + 40, svg);
  }
  function leave() {
    cursor.remove();
    hideTip(svg);
    at = -1;
  }

  svg.tabIndex = 0;
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
    read(places.indexOf(nearest(places.map((place) => [place]), x)[0]), event.clientY);
  });
  svg.addEventListener("pointerleave", leave);
  svg.addEventListener("focus", () => read(places.length - 1));
  svg.addEventListener("blur", leave);
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    read(Math.min(Math.max(at + step, 0), places.length - 1));
  });
}
addEventListener("keydown", (event) => {
  if (event.key === "Escape") hideTip(owner);
});

// -- theme

const switches = document.querySelector(".theme");
switches.hidden = false;

function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

// A browser may refuse to remember anything for a file.
let kept = "auto";
try {
  kept = localStorage.getItem("fencepost-theme") ?? "auto";
} catch {}
const chosen = switches.querySelector(`input[value="${CSS.escape(kept)}"]`);
if (chosen) {
  chosen.checked = true;
  setTheme(kept);
}
switches.addEventListener("change", (event) => {
  setTheme(event.target.value);
  try {
    localStorage.setItem("fencepost-theme", event.target.value);
  } catch {}
});

// -- paper

addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
