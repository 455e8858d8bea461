"""How a page looks: on a desktop and a telephone, by day and by night, and on paper."""

STYLE = """
:root { --ink: #1a2026; --soft: #5b6670; --line: #dde2e6; --tint: #f4f6f8; --page: #ffffff;
  --warn: #8a3c00; --warn-tint: #fdf1e6; --link: #0072b2; }
@media screen and (prefers-color-scheme: dark) {
  :root { --ink: #e8ecef; --soft: #a3adb6; --line: #333c44; --tint: #20272e; --page: #14181c;
    --warn: #ffb77a; --warn-tint: #33261b; --link: #5db3ee; }
}
* { box-sizing: border-box; }
html { color-scheme: light dark; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", Roboto,
  "Helvetica Neue", Arial, sans-serif; overflow-wrap: break-word; }
main { max-width: 1040px; margin: 0 auto; padding: 36px 28px 56px; }
header { border-bottom: 2px solid var(--ink); padding-bottom: 18px; }
.kicker { color: var(--soft); font-size: 14px; margin: 0 0 4px; }
h1 { font-size: 27px; line-height: 1.25; margin: 0 0 10px; letter-spacing: -0.01em; text-wrap: balance; }
.lead { margin: 0; max-width: 76ch; }
.warning { border-left: 4px solid var(--warn); background: var(--warn-tint); color: var(--warn);
  padding: 8px 12px; margin: 14px 0 0; max-width: none; font-weight: 600; }
h2 { font-size: 20px; margin: 40px 0 4px; }
p { margin: 6px 0; max-width: 82ch; }
.tiles { display: flex; flex-wrap: wrap; gap: 1px; margin: 22px 0 0; background: var(--line);
  border: 1px solid var(--line); }
.tile { flex: 1 1 150px; background: var(--page); padding: 12px 14px; }
.tile b { display: block; font-size: 24px; line-height: 1.2; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: 13px; line-height: 1.3; display: block; }
.scroll { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; margin: 12px 0; font-size: 14.5px; font-variant-numeric: tabular-nums;
  width: 100%; }
th, td { text-align: right; padding: 6px 10px; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { font-weight: 600; color: var(--soft); border-bottom: 1px solid var(--ink); vertical-align: bottom;
  white-space: normal; }
th:first-child, td:first-child { text-align: left; }
td.text, th.text { text-align: left; white-space: normal; }
tr.own td { font-weight: 650; background: var(--tint); }
figure { margin: 14px 0 0; }
figcaption { color: var(--soft); font-size: 14px; max-width: 92ch; margin-top: 2px; }
.chart { width: 100%; overflow: hidden; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 6px; margin: 0; padding: 0; max-width: none;
  list-style: none; }
.legend button { display: flex; align-items: center; gap: 7px; border: 0; background: none; padding: 3px 6px;
  color: inherit; font: inherit; font-size: 13.5px; cursor: pointer; border-radius: 4px; text-align: left; }
.legend button:hover { background: var(--tint); }
.legend button:focus-visible { outline: 2px solid var(--link); }
.legend button[aria-pressed=false] { opacity: 0.45; text-decoration: line-through; }
.legend svg { flex: none; }
ul { margin: 6px 0; padding-left: 20px; max-width: 82ch; }
footer { margin-top: 44px; border-top: 1px solid var(--line); padding-top: 12px; color: var(--soft);
  font-size: 13px; }
@media screen and (max-width: 640px) {
  main { padding: 20px 14px 40px; }
  h1 { font-size: 22px; }
  .tile { flex-basis: 130px; padding: 10px; }
  .tile b { font-size: 20px; }
  table { font-size: 13px; }
  th, td { padding: 5px 6px; }
}
@page { size: A4; margin: 14mm 13mm; }
@media print {
  body { font-size: 10.5pt; }
  main { max-width: none; padding: 0; }
  h1 { font-size: 17pt; }
  h2 { font-size: 13pt; margin-top: 20pt; break-after: avoid; }
  section > p { break-after: avoid; }
  figure, table, .tiles { break-inside: avoid; }
  figcaption, table { font-size: 9pt; }
  figcaption { max-width: none; }
  th, td { padding: 4px 6px; }
  .tiles { flex-wrap: nowrap; }
  .tile { flex-basis: 0; padding: 6px 8px; }
  .tile b { font-size: 14pt; }
  .tile span { font-size: 8.5pt; }
  .scroll { overflow: visible; }
  .legend button { font-size: 9pt; padding: 1px 4px; }
  .legend button[aria-pressed=false] { display: none; }
  .modebar { display: none !important; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
"""
