import { drawAll } from './chart.js'
import { refresh } from './live.js'

const charts = drawAll()
refresh(30000, (changed) => {
  for (const chart of charts) if (changed.contains(chart.numbers)) chart.update()
})
