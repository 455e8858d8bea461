"""What draws a page's figures: a legend that takes lines where it needs them, and colours for the night.

plotly's own legend has a height that is fixed before the width is known, and lies on titles where it needs
another line.
"""

SCRIPT = """
const night = matchMedia('(prefers-color-scheme: dark)');
const DARK = {'#1a2026': '#e8ecef', '#7b858e': '#97a2ab', '#c3cad0': '#4b555e', '#e9edf0': '#2a323a',
  '#ffffff': '#14181c', '#0072b2': '#4aa8ea', '#009e73': '#2fc79b', '#d55e00': '#f5803a'};
const NARROW = 620, PAPER = 690;
let paper = false;
const charts = [...document.querySelectorAll('.chart')].map(place => {
  const text = document.getElementById(place.id + '-data').textContent;
  const {data} = JSON.parse(text);
  const off = new Set(data.filter(trace => trace.visible === 'legendonly').map(trace => trace.name));
  return {place, text, off};
});

function stroke(trace) {
  const line = trace.line ?? {}, marker = trace.marker ?? {};
  const colour = line.color ?? marker.color;
  if (trace.fill) return `<rect width=22 height=10 fill="${trace.fillcolor}"/>`;
  if (!(trace.mode ?? 'lines').includes('lines'))
    return `<circle cx=11 cy=5 r=3.5 fill="${colour}"/>`;
  const dash = {dot: '2 3', dash: '6 3', longdash: '9 4', dashdot: '6 3 2 3'}[line.dash] ?? '';
  const width = line.width ?? 2;
  return `<path d="M0 5h22" stroke="${colour}" stroke-width="${width}" stroke-dasharray="${dash}"/>`;
}

function legend(chart, data) {
  const list = chart.place.closest('figure').querySelector('.legend');
  const focused = list.contains(document.activeElement) ? document.activeElement.textContent : null;
  const named = data.filter(trace => trace.name && trace.showlegend !== false);
  named.sort((one, other) => (one.legendrank ?? 0) - (other.legendrank ?? 0));
  list.replaceChildren(...named.map(trace => {
    const item = document.createElement('li'), button = document.createElement('button');
    button.type = 'button';
    button.innerHTML = `<svg width=22 height=10 aria-hidden=true>${stroke(trace)}</svg>`;
    button.append(trace.name);
    button.setAttribute('aria-pressed', !chart.off.has(trace.name));
    button.onclick = () => {
      if (!chart.off.delete(trace.name)) chart.off.add(trace.name);
      draw(chart);
    };
    item.append(button);
    return item;
  }));
  if (focused !== null) [...list.querySelectorAll('button')].find(it => it.textContent === focused)?.focus();
}

function draw(chart) {
  const dark = night.matches && !paper;
  const text = dark ? chart.text.replace(/#[0-9a-f]{6}\\b/g, colour => DARK[colour] ?? colour) : chart.text;
  const {data, layout} = JSON.parse(text);
  const narrow = !paper && chart.place.clientWidth < NARROW;
  legend(chart, data);
  for (const trace of data) trace.visible = !chart.off.has(trace.name);
  if (narrow) {
    layout.margin.r = 12;
    layout.dragmode = false;
    for (const note of layout.annotations) note.text = note.text.replace('</b> ', '</b><br>');
  }
  // On paper: as wide as an A4 page between its margins, and low enough for two figures a page.
  if (paper) Object.assign(layout, {width: PAPER, autosize: false, height: 0.8 * layout.height,
    font: {...layout.font, size: 11}});
  chart.narrow = narrow;
  Plotly.react(chart.place, data, layout, {responsive: true, displaylogo: false,
    displayModeBar: narrow ? false : 'hover', modeBarButtonsToRemove: ['select2d', 'lasso2d', 'autoScale2d'],
    toImageButtonOptions: {format: 'svg', filename: chart.place.id}});
}

const drawAll = () => charts.forEach(draw);
drawAll();
night.addEventListener('change', drawAll);
const changed = chart => chart.narrow !== (chart.place.clientWidth < NARROW);
addEventListener('resize', () => charts.filter(changed).forEach(draw));
addEventListener('beforeprint', () => { paper = true; drawAll(); });
addEventListener('afterprint', () => { paper = false; drawAll(); });
"""
