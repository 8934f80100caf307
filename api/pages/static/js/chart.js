// Charts over time (or over plain numbers), drawn by uPlot: lines with bands, volume below, gaps, marks, a readout.
//
// A figure that the `chart` macro wrote holds its numbers:
//   x: seconds since 1970, or numbers where x_kind is "number"; ends: where each point's stretch of time ends
//   series: [{name, mood or nothing, point: [share or null], low, high}]; unit: "percent" (default) or "number"
//   spans (of one of the series): its line goes on over points without a number; zoom: shares need not begin at 0
//   starts: where what a point rests on begins, if that is before x; posts: how many posts that has
//   volume: posts per point, as bars; gaps: [[since, until, reason]]; marks: [{at, kind: "model" or "alert", text}]
//   links: address of what is behind each point
// A point without a number breaks the line. The table behind the chart is the server's.

/* global uPlot */
import { node } from './node.js'
import { zone } from './time.js'

const NARROW = '\u202f'
const MOODS = ['negative', 'neutral', 'positive']
const SHOWS_POINTS = 62
const DAY_S = 86400
const LOPSIDED = 1.5

export function drawAll(root = document) {
  return [...root.querySelectorAll('[data-chart]')].map((figure) => new Chart(figure))
}

export class Chart {
  constructor(figure) {
    this.figure = figure
    this.plot = figure.querySelector('[data-plot]')
    this.numbers = figure.querySelector('[data-numbers]').parentElement
    this.readout = figure.querySelector('[data-readout]')
    this.listen()
    this.update()
    new ResizeObserver(() => this.fit()).observe(this.plot)
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.update())
  }

  // Draws what the figure's numbers are now; the point that is looked at stays so.
  update() {
    this.data = JSON.parse(this.numbers.textContent) // its element may be another by now
    this.isTime = this.data.x_kind !== 'number'
    this.middles = this.data.x.map((x, place) => (this.data.ends ? (x + this.data.ends[place]) / 2 : x))
    this.colours = new Palette(this.plot)
    for (const one of this.plots ?? []) one.destroy()
    this.plots = [this.lines(), ...(this.data.volume ? [this.bars()] : [])]
    this.place = Math.min(this.place ?? Infinity, this.last())
    this.tell(this.place)
  }

  last() {
    const seen = this.data.series.map((one) => one.point.findLastIndex((value) => value !== null))
    return Math.max(0, ...seen)
  }

  size(isMain) {
    const whole = this.plot.clientHeight
    const below = this.data.volume ? Math.round(whole * 0.27) : 0
    return { width: this.plot.clientWidth, height: isMain ? whole - below : below }
  }

  fit() {
    this.plots.forEach((one, number) => one.setSize(this.size(number === 0)))
  }

  lines() {
    const { series, unit } = this.data
    const columns = [this.middles]
    const described = [{}]
    const bands = []
    series.forEach((one, number) => {
      const colour = this.colours.of(one, number)
      const dash = one.mood === 'neutral' ? [6, 4] : one.dash ? [3, 3] : undefined
      columns.push(one.point)
      described.push({ stroke: colour, width: 2, dash, points: { show: false }, spanGaps: Boolean(one.spans) })
      if (one.low) {
        columns.push(one.high, one.low)
        const hidden = { stroke: 'transparent', width: 0, points: { show: false }, spanGaps: Boolean(one.spans) }
        described.push(hidden, { ...hidden })
        bands.push({ series: [columns.length - 2, columns.length - 1], fill: this.colours.faint(colour) })
      }
    })
    const told = columns.slice(1).flat().filter((value) => value !== null)
    const isShare = unit !== 'number'
    const top = isShare ? Math.min(1, Math.ceil((Math.max(0, ...told) + 0.02) * 10) / 10) : null
    const bottom = this.data.zoom ? Math.max(0, Math.floor((Math.min(1, ...told) - 0.02) * 10) / 10) : 0
    return new uPlot(
      {
        ...this.size(true),
        ...this.shared(),
        bands,
        series: described,
        scales: { x: this.span(), y: isShare ? { range: [bottom, top] } : {} },
        axes: [
          this.data.volume ? { show: true, size: 8, values: () => [], ticks: { show: false }, grid: this.grid() } : this.timeAxis(),
          this.axis({ size: 48, space: 36, values: (_, splits) => splits.map((value) => (isShare ? `${Math.round(value * 100)}${NARROW}%` : grouped(value))) }),
        ],
        hooks: {
          drawClear: [(u) => this.drawGaps(u)],
          draw: [(u) => this.drawPoints(u), (u) => this.drawMarks(u)],
          setCursor: [(u) => u.cursor.event && this.look(u.cursor.idx)],
        },
      },
      columns,
      this.plot,
    )
  }

  bars() {
    const paths = uPlot.paths.bars({ size: [0.7, 26], align: 0 })
    return new uPlot(
      {
        ...this.size(false),
        ...this.shared(),
        series: [{}, { fill: this.colours.get('neutral-fill'), stroke: 'transparent', width: 0, paths, points: { show: false } }],
        scales: { x: this.span(), y: { range: (_, __, most) => [0, Math.max(1, most)] } },
        axes: [
          this.timeAxis(),
          this.axis({ size: 48, space: 24, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6, 1e7], values: (_, splits) => splits.map(grouped) }),
        ],
        hooks: { drawClear: [(u) => this.drawGaps(u)], setCursor: [(u) => u.cursor.event && this.look(u.cursor.idx)] },
      },
      [this.middles, this.data.volume],
      this.plot,
    )
  }

  shared() {
    const cursor = { y: false, drag: { x: false, y: false }, points: { show: false } }
    if (this.data.volume) cursor.sync = { key: `chart-${this.figure.id}`, setSeries: false }
    return { cursor, legend: { show: false }, padding: [16, 24, 0, 0] }
  }

  span() {
    const { x, ends } = this.data
    const ahead = ends ? ends.at(-1) : x.at(-1)
    const around = x.length === 1 && !ends ? (this.isTime ? DAY_S : 1) : 0 // of a single point
    return { time: this.isTime, range: x.length ? [x[0] - around, Math.max(ahead, x[0] + 1) + around] : undefined }
  }

  grid() {
    return { stroke: this.colours.get('line'), width: 1 }
  }

  axis(more) {
    return { stroke: this.colours.get('soft'), font: `12px ${this.colours.font}`, grid: this.grid(), ticks: { show: false }, gap: 6, ...more }
  }

  timeAxis() {
    const values = (_, splits, __, ___, step) => splits.map((at) => this.tick(at, step))
    const { x, ends } = this.data
    const isDays = this.isTime && ends && ends[0] - x[0] > 20 * 3600
    const incrs = isDays ? [1, 2, 3, 7, 14, 28, 56, 91, 182, 364].map((days) => days * DAY_S) : undefined
    return this.axis({ size: 30, space: 64, values, grid: { show: false }, incrs })
  }

  tick(at, step) {
    if (!this.isTime) return grouped(at)
    const form = step >= 28 * DAY_S ? { month: 'short', year: 'numeric' } : { day: 'numeric', month: 'short' }
    const clock = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }
    return new Intl.DateTimeFormat('en-GB', step >= DAY_S ? form : clock).format(at * 1000)
  }

  // Hatched, since nothing is known there; behind all else.
  drawGaps(u) {
    const { ctx, bbox } = u
    ctx.save()
    ctx.beginPath()
    for (const [since, until] of this.data.gaps ?? []) {
      const left = Math.max(u.valToPos(since, 'x', true), bbox.left)
      const right = Math.min(u.valToPos(until, 'x', true), bbox.left + bbox.width)
      if (right > left) ctx.rect(left, bbox.top, Math.max(right - left, 2 * devicePixelRatio), bbox.height)
    }
    ctx.clip()
    ctx.strokeStyle = this.colours.get('line-strong')
    ctx.lineWidth = devicePixelRatio
    ctx.beginPath()
    for (let x = bbox.left - bbox.height; x < bbox.left + bbox.width; x += 6 * devicePixelRatio) {
      ctx.moveTo(x, bbox.top + bbox.height)
      ctx.lineTo(x + bbox.height, bbox.top)
    }
    ctx.stroke()
    ctx.restore()
  }

  drawPoints(u) {
    if (this.middles.length > SHOWS_POINTS) return
    this.data.series.forEach((one, number) => {
      one.point.forEach((value, place) => {
        if (value === null) return
        const isLookedAt = place === this.place
        const at = [u.valToPos(this.middles[place], 'x', true), u.valToPos(value, 'y', true)]
        glyph(u.ctx, one.mood, ...at, (isLookedAt ? 5.5 : 3.5) * devicePixelRatio, this.colours.of(one, number), this.colours.get('card'))
      })
    })
  }

  drawMarks(u) {
    const { ctx, bbox } = u
    ctx.save()
    for (const mark of this.data.marks ?? []) {
      const x = u.valToPos(mark.at, 'x', true)
      if (x < bbox.left || x > bbox.left + bbox.width) continue
      ctx.strokeStyle = ctx.fillStyle = this.colours.get(mark.kind === 'alert' ? 'bad' : 'ink')
      ctx.lineWidth = devicePixelRatio
      ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio])
      ctx.beginPath()
      ctx.moveTo(x, bbox.top)
      ctx.lineTo(x, bbox.top + bbox.height)
      ctx.stroke()
      const size = 6 * devicePixelRatio
      ctx.beginPath()
      if (mark.kind === 'alert') polygon(ctx, x, bbox.top - size / 2, size, [[0, -1.2], [1.1, 0.8], [-1.1, 0.8]])
      else polygon(ctx, x, bbox.top - size / 2, size, [[0, -1], [1, 0], [0, 1], [-1, 0]])
      ctx.fill()
    }
    ctx.restore()
  }

  listen() {
    const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -7, PageDown: 7, Home: -Infinity, End: Infinity }
    this.plot.addEventListener('keydown', (event) => {
      if (event.key in steps) this.look(Math.min(Math.max(this.place + steps[event.key], 0), this.middles.length - 1), true)
      else if (event.key === 'Enter') this.open()
      else return
      event.preventDefault()
    })
    // A finger looks; the readout's link opens. A mouse has looked already.
    this.plot.addEventListener('click', (event) => event.target.closest('.u-over') && event.pointerType !== 'touch' && this.open())
    this.plot.addEventListener('focus', () => this.plot.matches(':focus-visible') && this.look(this.place, true))
  }

  open() {
    const link = this.data.links?.[this.place]
    if (link) location.assign(link)
  }

  look(place, moves = false) {
    if (place === null || place === undefined || Number.isNaN(place)) return
    if (moves) {
      for (const one of this.plots) one.setCursor({ left: one.valToPos(this.middles[place], 'x'), top: 0 }, false)
    }
    if (place === this.place) return
    this.place = place
    this.tell(place)
    this.plots[0].redraw(false, false)
  }

  tell(place) {
    const { series, volume, posts, links, gaps, marks, x, ends } = this.data
    if (!x.length) return
    const parts = [node('span', 'when', this.when(place))]
    for (const one of series) if (one.point[place] !== null || one.why?.[place] !== '') parts.push(this.word(one, place))
    if (posts ?? volume) parts.push(this.posts((posts ?? volume)[place], links?.[place]))
    const until = ends?.[place] ?? x[place]
    const gap = (gaps ?? []).find(([from, to]) => from < until && to > x[place])
    if (gap) parts.push(node('span', 'soft', `Gap: ${gap[2]}`))
    for (const mark of (marks ?? []).filter((one) => one.at >= x[place] && one.at < until)) parts.push(node('span', 'soft', `${mark.kind === 'alert' ? '▲' : '◆'} ${mark.text}`))
    this.readout.replaceChildren(...parts)
  }

  when(place) {
    const { x, ends, starts, x_name: name } = this.data
    if (!this.isTime) return `${name ?? ''} ${grouped(x[place])}`.trim()
    const length = (ends?.[place] ?? x[place]) - x[place]
    const day = { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric', timeZone: zone }
    const form = length && length < 20 * 3600 ? { ...day, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } : day
    const write = (at) => new Intl.DateTimeFormat('en-GB', form).format(at * 1000)
    const since = starts?.[place] ?? x[place]
    return since < x[place] || length > 1.5 * DAY_S ? `${write(since)} to ${write((ends?.[place] ?? x[place] + 1) - 1)}` : write(since)
  }

  word(one, place) {
    const value = one.point[place]
    const said = node('span', `mood ${one.mood ?? ''}`)
    said.append(mark(one.mood, this.colours.of(one, this.data.series.indexOf(one))), `${one.name} `)
    if (value === null) return said.append(node('span', 'none', one.why?.[place] ?? 'too few')), said
    const isShare = this.data.unit !== 'number'
    said.append(node('b', '', isShare ? `${Math.round(value * 100)}${NARROW}%` : rounded(value)))
    if (one.low && one.low[place] !== null) {
      said.append(node('span', 'margin', ` ${margin(one.low[place], value, one.high[place], isShare)}`))
    }
    return said
  }

  posts(count, link) {
    const words = `${grouped(count)} ${count === 1 ? 'post' : 'posts'}`
    if (!link || !count) return node('span', '', words)
    const a = node('a', '', words)
    a.href = link
    return a
  }
}

class Palette {
  constructor(element) {
    const style = getComputedStyle(element)
    this.get = (name) => style.getPropertyValue(`--${name}`).trim()
    this.font = style.fontFamily
  }

  of(one, number) {
    return this.get(MOODS.includes(one.mood) ? one.mood : `line-${(number % 4) + 1}`)
  }

  faint(colour) {
    return `${colour}2b` // our colours are #rrggbb
  }
}

const SHAPES = { negative: 'M1 2h10L6 11z', positive: 'M1 10h10L6 1z', neutral: 'M2 2h8v8H2z' }
const DISC = 'M6 1.5a4.5 4.5 0 1 0 .01 0z'

function mark(mood, colour) {
  const names = 'http://www.w3.org/2000/svg'
  const svg = document.createElementNS(names, 'svg')
  for (const [name, value] of Object.entries({ class: 'glyph', viewBox: '0 0 12 12', width: 12, height: 12, 'aria-hidden': true })) svg.setAttribute(name, value)
  const path = document.createElementNS(names, 'path')
  path.setAttribute('d', SHAPES[mood] ?? DISC)
  path.setAttribute('fill', colour)
  svg.append(path)
  return svg
}

const CORNERS = {
  negative: [[-1.1, -0.9], [1.1, -0.9], [0, 1.1]],
  positive: [[-1.1, 0.9], [1.1, 0.9], [0, -1.1]],
  neutral: [[-0.8, -0.8], [0.8, -0.8], [0.8, 0.8], [-0.8, 0.8]],
}

function glyph(ctx, mood, x, y, size, colour, edge) {
  ctx.save()
  ctx.beginPath()
  if (CORNERS[mood]) polygon(ctx, x, y, size, CORNERS[mood])
  else ctx.arc(x, y, size * 0.85, 0, 2 * Math.PI)
  ctx.fillStyle = colour
  ctx.strokeStyle = edge
  ctx.lineWidth = 1.5 * devicePixelRatio
  ctx.stroke()
  ctx.fill()
  ctx.restore()
}

function polygon(ctx, x, y, size, corners) {
  corners.forEach(([right, down], number) => ctx[number ? 'lineTo' : 'moveTo'](x + right * size, y + down * size))
  ctx.closePath()
}

// As the server's words.margin.
function margin(low, value, high, isShare) {
  const write = isShare ? (share) => Math.round(share * 100) : rounded
  const [short, long] = [value - low, high - value].sort((a, b) => a - b)
  if (long > LOPSIDED * short && (!isShare || write(long) > write(short) + 1)) return `(${write(low)} to ${write(high)})`
  return `±${isShare ? Math.max(1, write(long)) : write(long)}`
}

function grouped(value) {
  return new Intl.NumberFormat('en', { maximumFractionDigits: 2 }).format(value).replaceAll(',', NARROW)
}

function rounded(value) {
  return new Intl.NumberFormat('en', { maximumSignificantDigits: 3 }).format(value)
}
