// Scores as bars, and rows as CSV.

export const MOODS = ['negative', 'neutral', 'positive']

// Like ui.bar of the server: three shares of 1, by name.
export function bar(shares) {
  const svg = made('svg', { class: 'bar', role: 'img', width: '100%', height: 10 })
  svg.setAttribute('aria-label', MOODS.map((name) => `${name} ${Math.round(shares[name] * 100)} %`).join(', '))
  let left = 0
  for (const name of MOODS) {
    svg.append(made('rect', { class: name, x: `${left * 100}%`, width: `${shares[name] * 100}%`, height: 10 }))
    left += shares[name]
  }
  return svg
}

function made(tag, attributes) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  return element
}

const FORMULA = /^[=+\-@\t\r]/
const NUMBER = /^[+-]?\d[\d.,]*(e[+-]?\d+)?$/i

// A row with its end, as overheard/sheets.py writes it: what a spreadsheet would take for a formula gets an apostrophe.
export function csvLine(cells) {
  return `${cells.map(cell).join(',')}\r\n`
}

function cell(value) {
  const text = typeof value === 'string' && FORMULA.test(value) && !NUMBER.test(value) ? `'${value}` : String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
