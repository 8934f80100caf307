// What the server tells while a page is open: by server-sent events, or by asking again where no stream is to be had.

const POLL_MS = 5000
const PATIENCE_MS = 10000

// Calls heard(data) for each event `name` of the stream at `url`, and again with what ask() returns every few seconds
// while there is no stream. Stops when heard() returns false. Returns a function that stops it.
export function follow(url, name, heard, ask, pollMs = POLL_MS) {
  let source = null
  let timer = 0
  let stopped = false

  function stop() {
    stopped = true
    source?.close()
    clearTimeout(timer)
  }

  function tell(data) {
    if (!stopped && heard(data) === false) stop()
  }

  async function poll() {
    if (!document.hidden) {
      try {
        tell(await ask())
      } catch {
        // it is asked again
      }
    }
    timer = 0
    pollLater()
  }

  function pollLater(waitMs = pollMs) {
    if (!stopped && source?.readyState !== EventSource.OPEN) timer ||= setTimeout(poll, waitMs)
  }

  function listen() {
    source = new EventSource(url)
    source.addEventListener(name, (event) => tell(JSON.parse(event.data)))
    source.addEventListener('error', () => {
      const mayComeBack = source.readyState === EventSource.CONNECTING
      pollLater(mayComeBack ? pollMs : 0)
    })
  }

  if (url && 'EventSource' in window) listen()
  else pollLater(0)
  addEventListener('pagehide', stop, { once: true })
  return stop
}

// Returns a function that reads this page again and puts new contents into each element with data-live, which needs an
// id, and returns a promise of that. Nothing is touched that did not change, nor what has the focus in it, unless
// `all` is asked for. changed(element): hears of each.
export function reader(changed = () => {}) {
  const before = new Map([...document.querySelectorAll('[data-live]')].map((one) => [one.id, one.innerHTML]))
  let reading = null
  let next = null
  let nextTakesAll = false

  function take(fresh, all) {
    for (const old of document.querySelectorAll('[data-live]')) {
      const now = fresh.getElementById(old.id)
      if (!now || now.innerHTML === before.get(old.id) || (holdsFocus(old) && !all)) continue
      before.set(old.id, now.innerHTML)
      put(old, now)
      changed(old)
    }
  }

  async function once(all) {
    try {
      const answer = await fetch(location.href, { headers: { Accept: 'text/html' }, signal: AbortSignal.timeout(PATIENCE_MS) })
      if (answer.ok && !answer.redirected) take(new DOMParser().parseFromString(await answer.text(), 'text/html'), all)
    } catch {
      // it is asked again
    }
  }

  // What is being read may be older than what a caller heard of: then it is read once more.
  return function read({ all = false } = {}) {
    if (document.hidden && !all) return Promise.resolve()
    if (!reading) return (reading = once(all).finally(() => (reading = null)))
    nextTakesAll ||= all
    return (next ??= reading.then(() => {
      const wanted = { all: nextTakesAll }
      next = null
      nextTakesAll = false
      return read(wanted)
    }))
  }
}

const holdsFocus = (region) => region !== document.activeElement && region.contains(document.activeElement)

// Puts the contents of one element into another. What the reader has opened stays open.
function put(old, now) {
  const open = [...old.querySelectorAll('details[id][open]')].map((one) => one.id)
  old.replaceChildren(...now.childNodes)
  for (const id of open) document.getElementById(id)?.setAttribute('open', '')
}

// Reads this page again every so often. Returns what reads it at once.
export function refresh(everyMs) {
  const read = reader()
  setInterval(read, everyMs)
  return read
}
