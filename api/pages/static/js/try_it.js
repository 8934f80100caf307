// Texts go to POST /inference, files to POST /batches; a job is watched until its results are there.

import { Problem, act, flash, get, post, remove } from './api.js'
import { follow } from './live.js'
import { node } from './node.js'
import { bar, csvLine, MOODS } from './scores.js'

const SHOWN = 200
const PREVIEWED = 20
const NARROW = '\u202f'
const ADDED = [...MOODS, 'label', 'model']
const LIKELY = /^(text|message|tweet|post|comment|content|body|review|title)s?$/i
const EXAMPLE = ['Best espresso I ever had at home, thank you!', 'The app wants an account before it makes coffee. Why?', 'Ordered on Monday, came on Wednesday.', 'Third repair in a year. Never again.', 'Der Milchschaum ist ein Traum.', 'La máquina no enciende desde la actualización.']
const page = document.querySelector('[data-try]')
const limits = Object.fromEntries(['mostTexts', 'mostChars', 'mostBytes', 'mostUpload'].map((name) => [name, Number(page.dataset[name])]))
const find = (name) => document.querySelector(`[data-${name}]`)
const moods = Object.fromEntries([...find('moods').content.querySelectorAll('[data-mood]')].map((one) => [one.dataset.mood, one.firstElementChild]))
const grouped = (count) => new Intl.NumberFormat('en').format(count).replaceAll(',', NARROW)
let file = null
let cancel = () => {}

function tellProblem(name, words) {
  const place = find(`${name}-problem`)
  place.textContent = words
  place.hidden = !words
}

// Results

function showResults(rows, words, more) {
  find('progress').hidden = true
  find('results-words').textContent = words
  find('rows').replaceChildren(...rows.map(row))
  find('more').textContent = more
  find('results').hidden = false
  find('results').focus({ preventScroll: true })
  find('results').scrollIntoView({ block: 'nearest' })
}

function row([text, scores]) {
  const tr = node('tr')
  const cells = [node('td', 'scored-text', text), node('td'), node('td', 'scored-bar')]
  cells[0].dir = 'auto'
  if (scores) {
    const most = MOODS.reduce((best, name) => (scores[name] > scores[best] ? name : best))
    cells[1].dataset.label = 'Most probable'
    cells[1].append(moods[most].cloneNode(true))
    cells[2].append(bar(scores), node('span', 'small soft', MOODS.map((name) => `${Math.round(scores[name] * 100)}${NARROW}%`).join(' · ')))
  } else cells[1].append(node('span', 'none', 'no text'))
  tr.append(...cells)
  return tr
}

function downloads(...links) {
  find('downloads').replaceChildren(...links.map(([name, href, file], place) => {
    const a = node('a', place ? 'button quiet' : 'button', name)
    a.href = href
    a.download = file
    return a
  }))
}

function start(name) {
  find('results').hidden = true
  find('rejects').hidden = true
  find('progress').hidden = false
  find('progress-name').textContent = name
  advance(0, '\u00a0')
}

function advance(share, words) {
  find('bar').value = share
  find('progress-words').textContent = words
}

// Texts

async function scoreTexts() {
  const texts = find('lines').value.split('\n').map((line) => line.trim()).filter(Boolean)
  const longest = texts.findIndex((text) => text.length > limits.mostChars)
  const body = JSON.stringify({ messages: texts })
  if (!texts.length) return tellProblem('texts', 'Write or paste a text first.')
  if (texts.length > limits.mostTexts) return tellProblem('texts', `These are ${grouped(texts.length)} texts: put them into a file and drop that.`)
  if (longest >= 0) return tellProblem('texts', `Text ${longest + 1} has ${grouped(texts[longest].length)} characters: make it shorter.`)
  if (new Blob([body]).size > limits.mostBytes) return tellProblem('texts', 'These texts are too many bytes for one call: put them into a file and drop that.')
  tellProblem('texts', '')
  const scores = await scored(await post('/inference', { messages: texts }))
  if (!scores) return
  const pairs = texts.map((text, place) => [text, scores[place]])
  const lines = [['text', ...MOODS], ...pairs.map(([text, one]) => [text, ...MOODS.map((name) => one[name])])]
  downloads(['Download as CSV', URL.createObjectURL(new Blob([lines.map(csvLine).join('')], { type: 'text/csv' })), 'scores.csv'])
  const more = pairs.length > SHOWN ? `The first ${SHOWN} are shown; the download has them all.` : ''
  showResults(pairs.slice(0, SHOWN), `${grouped(pairs.length)} ${pairs.length === 1 ? 'text' : 'texts'}`, more)
}

// What /inference answered, or what the job that it became answers in the end; null if that was cancelled.
async function scored(answer) {
  if (Array.isArray(answer)) return answer
  start('Scoring texts')
  const job = await watch(answer.job_id)
  return job.state === 'succeeded' ? get(`/jobs/${job.id}/result`) : null
}

// Jobs

function watch(id) {
  cancel = () => remove(`/jobs/${id}`)
  return new Promise((settle) => {
    follow(`/jobs/${id}/events`, 'job', (job) => {
      if (['queued', 'running'].includes(job.state)) return advance(job.progress.total ? job.progress.done / job.progress.total : 0, pace(job))
      find('progress').hidden = true
      if (job.state === 'failed') flash(`The job failed: ${job.error?.detail ?? job.error?.title ?? 'see its log'}`, 'bad')
      if (job.state === 'cancelled') flash('Cancelled.')
      settle(job)
      return false
    }, () => get(`/jobs/${id}`))
  })
}

function pace({ state, progress }) {
  if (state === 'queued') return 'Waiting for a worker …'
  const words = [`${grouped(progress.done)} of ${grouped(progress.total)} rows`]
  if (progress.rows_per_s) words.push(`${grouped(Math.round(progress.rows_per_s))} per second`)
  if (progress.eta_s) words.push(`${grouped(Math.ceil(progress.eta_s))} seconds left`)
  return words.join(', ')
}

// Files

async function take(chosen) {
  file = chosen
  tellProblem('file', '')
  find('columns').hidden = true
  if (!file) return
  find('drop-words').textContent = file.name
  if (!file.size) return tellProblem('file', `${file.name} is empty.`)
  if (file.size > limits.mostUpload) return tellProblem('file', `${file.name} has ${grouped(Math.ceil(file.size / 1e6))} MB: cut it into smaller files.`)
  const columns = await peek(file)
  if (columns?.includes('text')) return upload('text', clash(columns))
  chooseColumn(columns, columns ? `${file.name} has no column “text”.` : 'Which column holds the texts?')
}

const clash = (columns) => (ADDED.some((name) => columns.includes(name)) ? 'predicted_' : '')

function chooseColumn(columns, why) {
  find('columns-why').textContent = why
  find('choose').hidden = !columns
  for (const place of document.querySelectorAll('[data-write]')) place.hidden = Boolean(columns)
  if (columns) {
    const likely = columns.find((name) => LIKELY.test(name)) ?? columns[0]
    find('column').replaceChildren(...columns.map((name) => new Option(name, name, name === likely, name === likely)))
    find('prefix').value = clash(columns)
  }
  find('columns').hidden = false
  ;(columns ? find('column') : find('column-name')).focus()
}

// The columns of a CSV or JSONL file, from its beginning; null where the browser can't tell.
async function peek(chosen) {
  const head = await chosen.slice(0, 1 << 18).text()
  try {
    if (/\.csv$/i.test(chosen.name)) return header(head.replace(/^\ufeff/, ''))
    if (/\.(jsonl|ndjson)$/i.test(chosen.name)) return Object.keys(JSON.parse(head.split('\n').find((line) => line.trim())))
  } catch {
    // the server says what is wrong with it
  }
  return null
}

function header(text) {
  const columns = []
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)) {
    columns.push(quoted?.replaceAll('""', '"') ?? plain)
    if (end !== ',') break
  }
  const named = columns.filter(Boolean)
  return named.length ? named : null
}

async function upload(column, prefix) {
  tellProblem('file', '')
  find('columns').hidden = true
  start(`Uploading ${file.name}`)
  try {
    const { job_id: id } = await send(`/batches?${new URLSearchParams({ text_column: column, prefix })}`)
    history.replaceState(null, '', `?job=${id}`)
    await watchBatch(id)
  } catch (problem) {
    find('progress').hidden = true
    if (problem.name === 'AbortError') return
    if (!(problem instanceof Problem)) throw problem
    tellProblem('file', problem.message)
    if (problem.status !== 422) return
    const columns = await peek(file)
    if (columns?.length !== 1) chooseColumn(columns, 'If another column holds the texts, name it.')
  }
}

// An upload that tells how far it is, which fetch can't.
function send(path) {
  const form = new FormData()
  form.append('file', file)
  return new Promise((settle, fail) => {
    const request = new XMLHttpRequest()
    cancel = async () => request.abort()
    request.open('POST', path)
    request.setRequestHeader('Accept', 'application/json')
    request.setRequestHeader('X-CSRFToken', document.querySelector('meta[name="csrf-token"]').content)
    request.responseType = 'json'
    request.upload.addEventListener('progress', ({ loaded, total }) => advance(loaded / total, loaded < total ? `${Math.floor((loaded / total) * 100)}${NARROW}%` : 'Checking the rows …'))
    request.addEventListener('load', () => {
      if (request.status === 202) settle(request.response)
      else fail(new Problem(request.status, request.response?.detail ?? `${request.status} ${request.statusText}`))
    })
    request.addEventListener('error', () => fail(new Problem(0, 'No answer from Overheard: is it still running?')))
    request.addEventListener('abort', () => fail(new DOMException('cancelled', 'AbortError')))
    request.send(form)
  })
}

async function watchBatch(id) {
  const name = file?.name ?? 'a file'
  find('progress').hidden = false
  find('progress-name').textContent = `Scoring ${name}`
  const job = await watch(id)
  const batch = await get(`/batches/${id}`)
  showRejects(batch)
  if (job.state !== 'succeeded') return
  const stem = batch.filename.replace(/\.[^.]*$/, '')
  const formats = ['csv', 'jsonl', 'parquet'].sort((one) => (batch.filename.toLowerCase().endsWith(one) ? -1 : 1))
  downloads(...formats.map((kind) => [`Download as ${kind === 'csv' ? 'CSV' : kind === 'jsonl' ? 'JSONL' : 'Parquet'}`, `/batches/${id}/results?format=${kind}`, `${stem}.scored.${kind}`]))
  const rows = await preview(batch)
  const total = job.progress.total
  showResults(rows, `${grouped(total)} ${total === 1 ? 'row' : 'rows'} of ${batch.filename}`, total > rows.length ? `The first ${rows.length} are shown; the download has them all.` : '')
}

function showRejects({ rejected_rows: rows, progress }) {
  find('rejects').hidden = !rows.length
  find('rejects-words').textContent = `${grouped(progress.rejected)} ${progress.rejected === 1 ? 'row' : 'rows'} could not be read and ${progress.rejected === 1 ? 'was' : 'were'} left out`
  find('rejects-rows').replaceChildren(...rows.map(({ line, reason }) => {
    const tr = node('tr')
    tr.append(node('td', 'number', grouped(line)), node('td', '', reason))
    return tr
  }))
}

// The first rows of the results, whose stream is left then.
async function preview({ id, text_column: column, prefix }) {
  const stop = new AbortController()
  const answer = await fetch(`/batches/${id}/results?format=jsonl`, { signal: stop.signal })
  if (!answer.ok) return []
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  let isWhole = false
  while (!isWhole && text.split('\n').length <= PREVIEWED) {
    const { value, done } = await reader.read()
    text += value ?? ''
    isWhole = done
  }
  if (!isWhole) stop.abort()
  const lines = text.split('\n').slice(0, isWhole ? undefined : -1).filter(Boolean).slice(0, PREVIEWED)
  return lines.map((line) => {
    const cells = JSON.parse(line)
    const scores = Object.fromEntries(MOODS.map((name) => [name, cells[prefix + name]]))
    return [String(cells[column] ?? ''), scores.negative === null ? null : scores]
  })
}

// What the reader does

find('texts').addEventListener('submit', (event) => {
  event.preventDefault()
  act(find('score'), scoreTexts)
})

find('file-form').addEventListener('submit', (event) => {
  event.preventDefault()
  if (file) upload(find('choose').hidden ? find('column-name').value : find('column').value, find('prefix').value)
})

find('file').addEventListener('change', () => take(find('file').files[0]))
find('file').addEventListener('click', () => { // the same file may be chosen again once it was mended
  find('file').value = ''
})
find('cancel')?.addEventListener('click', () => act(find('cancel'), () => cancel()))

for (const name of ['dragenter', 'dragover']) {
  find('drop').addEventListener(name, (event) => {
    event.preventDefault()
    find('drop').classList.add('over')
  })
}
find('drop').addEventListener('dragleave', () => find('drop').classList.remove('over'))
find('drop').addEventListener('drop', (event) => {
  event.preventDefault()
  find('drop').classList.remove('over')
  take(event.dataTransfer.files[0])
})

document.querySelector('[data-example="texts"]').addEventListener('click', () => {
  find('lines').value = EXAMPLE.join('\n')
  find('lines').focus()
})
document.querySelector('[data-example="file"]').addEventListener('click', () => {
  const lines = [['customer', 'comment'], ...EXAMPLE.map((text, place) => [place + 1, text])]
  take(new File([lines.map(csvLine).join('')], 'example.csv', { type: 'text/csv' }))
})

// A page that is loaded again goes on watching.
const running = new URLSearchParams(location.search).get('job')
if (running) watchBatch(running).catch((problem) => flash(problem.message, 'bad'))
