// Charts, the part that reads texts, and what is new while the page is open.

import { drawAll } from './chart.js'
import { follow, reader } from './live.js'

const charts = drawAll()

const sections = [...document.querySelectorAll('[data-fetch]')]
for (const section of sections) fill(section)

// Puts what the server answers into the section's place for it: a table's rows where that is a table's body.
async function fill(section) {
  const place = section.querySelector('[data-fetched]')
  try {
    const answer = await fetch(section.dataset.fetch, { headers: { Accept: 'text/html' } })
    if (!answer.ok) throw new Error(answer.status)
    const part = new DOMParser().parseFromString(await answer.text(), 'text/html')
    const found = place.localName === 'tbody' ? part.querySelector('tbody') : part.body
    if (!place.contains(document.activeElement)) place.replaceChildren(...found.childNodes)
  } catch {
    section.querySelector('header').append(' This could not be read. Load the page again.')
  }
}

const read = reader((changed) => {
  for (const chart of charts) if (changed.contains(chart.numbers)) chart.update()
  if (changed.id === 'figures') sections.filter((section) => section.querySelector('table.cards')).forEach(fill)
})
follow(document.querySelector('[data-events]')?.dataset.events, 'heard', (event) => void (event && read()), read, 20000)
setInterval(read, 120000) // what no event tells: a clock that went on, an audit, posts of long ago
