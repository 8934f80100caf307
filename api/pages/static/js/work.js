// Models and jobs: charts, what the reader asks for, and how work gets on while the page is open.

import { listen } from './actions.js'
import { drawAll } from './chart.js'
import { follow, reader } from './live.js'

const charts = drawAll()
const read = reader((changed) => {
  for (const chart of charts) if (changed.contains(chart.numbers)) chart.update()
})
listen(read)
follow(document.querySelector('[data-events]')?.dataset.events, 'jobs', (event) => void (event && read()), read, 2000)
setInterval(read, 15000) // what no event tells: workers, another champion, a measurement
