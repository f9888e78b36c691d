"use strict";
(() => {
  const body = document.querySelector("#table tbody");
  const rows = [...body.rows];
  const find = document.querySelector("#find");
  const show = document.querySelector("#show");
  const sort = document.querySelector("#sort");
  const name = (row) => row.cells[0].textContent.trim();
  const byName = (a, b) => name(a).localeCompare(name(b), undefined, { numeric: true });

  const wanted = (row) => {
    if (!name(row).toLowerCase().includes(find.value.trim().toLowerCase())) return false;
    if (show.value === "eye") return "eye" in row.dataset;
    if (show.value === "open") return "open" in row.dataset;
    if (show.value === "lost") return row.querySelector("[data-lost]") !== null;
    return true;
  };
  const value = (row) => (sort.value.endsWith("total") ? row.dataset.total : row.cells[Number(sort.value) + 1].dataset.v);
  const order = (a, b) => {
    if (sort.value === "name") return byName(a, b);
    const sign = sort.value.startsWith("-") ? -1 : 1;
    return sign * (Number(value(a)) - Number(value(b))) || byName(a, b);
  };
  const refresh = () => {
    rows.sort(order);
    let seen = 0;
    for (const row of rows) {
      row.hidden = !wanted(row);
      seen += row.hidden ? 0 : 1;
    }
    body.append(...rows);
    document.querySelector("#shown").textContent = seen === rows.length ? `${seen} students` : `${seen} of ${rows.length} students`;
  };

  document.querySelector(".controls").hidden = false;
  for (const control of [find, show, sort]) control.addEventListener("input", refresh);
  refresh();
})();
