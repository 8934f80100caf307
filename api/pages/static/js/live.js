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
// id. Nothing is touched that did not change, or that holds the focus. changed(element): hears of each.
export function reader(changed = () => {}) {
  const before = new Map([...document.querySelectorAll('[data-live]')].map((one) => [one.id, one.innerHTML]))
  let isReading = false
  let isStale = false

  function take(fresh) {
    for (const old of document.querySelectorAll('[data-live]')) {
      const now = fresh.getElementById(old.id)
      if (!now || now.innerHTML === before.get(old.id) || old.contains(document.activeElement)) continue
      before.set(old.id, now.innerHTML)
      put(old, now)
      changed(old)
    }
  }

  return async function read() {
    isStale = isReading // what it reads may be older than what the caller heard of
    if (isReading || document.hidden) return
    isReading = true
    try {
      const answer = await fetch(location.href, { headers: { Accept: 'text/html' }, signal: AbortSignal.timeout(PATIENCE_MS) })
      if (answer.ok && !answer.redirected) take(new DOMParser().parseFromString(await answer.text(), 'text/html'))
    } catch {
      // it is asked again
    } finally {
      isReading = false
      if (isStale) read()
    }
  }
}

// Puts the contents of one element into another. What the reader has opened stays open.
export function put(old, now) {
  const open = [...old.querySelectorAll('details[id][open]')].map((one) => one.id)
  old.replaceChildren(...now.childNodes)
  for (const id of open) document.getElementById(id)?.setAttribute('open', '')
}

// Reads this page again every so often.
export function refresh(everyMs, changed) {
  const read = reader(changed)
  const timer = setInterval(read, everyMs)
  return () => clearInterval(timer)
}
