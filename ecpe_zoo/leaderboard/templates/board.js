"use strict";
(function () {
  var collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

  function keyOf(row, column) {
    var cell = row.cells[column];
    return cell ? (cell.dataset.value !== undefined ? cell.dataset.value : cell.textContent.trim()) : "";
  }

  // the row with a method's ablations follows it wherever it goes
  function foldedBelow(row) {
    var next = row.nextElementSibling;
    return next && next.classList.contains("folded") ? next : null;
  }

  // rows without a value stay last, whichever way the others go
  function sort(table, column, descending) {
    Array.prototype.forEach.call(table.tBodies, function (body) {
      var rows = Array.prototype.filter.call(body.rows, function (row) { return row.dataset.kind; });
      rows.map(function (row, place) { return { row: row, key: keyOf(row, column), place: place }; })
        .sort(function (a, b) {
          if ((a.key === "") !== (b.key === "")) { return a.key === "" ? 1 : -1; }
          var x = Number(a.key), y = Number(b.key);
          var order = isNaN(x) || isNaN(y) ? collator.compare(a.key, b.key) : x - y;
          return (descending ? -order : order) || a.place - b.place;
        })
        .forEach(function (item) {
          var folded = foldedBelow(item.row);
          body.appendChild(item.row);
          if (folded) { body.appendChild(folded); }
        });
    });
    Array.prototype.forEach.call(table.tHead.rows[0].cells, function (head, place) {
      if (place === column) { head.setAttribute("aria-sort", descending ? "descending" : "ascending"); }
      else { head.removeAttribute("aria-sort"); }
    });
  }

  function filter(section) {
    var wanted = {};
    section.querySelectorAll("select[data-filter]").forEach(function (select) {
      if (select.value) { wanted[select.dataset.filter] = select.value; }
    });
    var shown = 0, all = 0;
    section.querySelectorAll("tbody tr[data-kind]").forEach(function (row) {
      var fits = Object.keys(wanted).every(function (name) {
        return (row.dataset[name] || "").split("|").indexOf(wanted[name]) >= 0;
      });
      row.hidden = !fits;
      var folded = foldedBelow(row);
      if (folded) { folded.hidden = !fits; }
      all += 1;
      shown += fits ? 1 : 0;
    });
    section.querySelectorAll("tr.group").forEach(function (head) {
      head.hidden = !head.parentNode.querySelector("tr[data-kind]:not([hidden])");
    });
    var output = section.querySelector("output");
    if (output) { output.textContent = shown + " of " + all + " rows"; }
  }

  document.querySelectorAll("section.board").forEach(function (section) {
    var table = section.querySelector("table.board");
    if (!table || !section.querySelector(".filters")) { return; }
    section.querySelectorAll("table.board > thead button").forEach(function (button) {
      button.addEventListener("click", function () {
        var head = button.closest("th");
        var now = head.getAttribute("aria-sort");
        var descending = now ? now === "ascending" : head.dataset.first === "descending";
        sort(table, head.cellIndex, descending);
      });
    });
    section.querySelectorAll("select[data-filter]").forEach(function (select) {
      select.addEventListener("change", function () { filter(section); });
    });
    var by = section.querySelector("select[data-sort]");
    if (by) {
      by.addEventListener("change", function () {
        var head = table.tHead.rows[0].cells[Number(by.value)];
        sort(table, Number(by.value), head.dataset.first === "descending");
      });
    }
    section.querySelector("button[data-reset]").addEventListener("click", function () {
      section.querySelectorAll("select[data-filter]").forEach(function (select) {
        select.value = "";
      });
      filter(section);
    });
    section.querySelector(".filters").hidden = false;
    filter(section);
  });
})();
