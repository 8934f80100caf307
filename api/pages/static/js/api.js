// Calls of the API with the reader's session. What goes wrong is told in the flash region, once.

const token = document.querySelector('meta[name="csrf-token"]')?.content ?? ''

export class Problem extends Error {
  // status: of the answer, 0 without one. detail: what to do, for people.
  constructor(status, detail, body = {}) {
    super(detail)
    this.status = status
    this.body = body
  }
}

// The answer's JSON (null without a body). body: sent as JSON, unless it is FormData or a Blob. Throws Problem.
export async function call(method, path, body, { signal, headers = {} } = {}) {
  const isRaw = body instanceof FormData || body instanceof Blob
  const sent = { Accept: 'application/json', 'X-CSRFToken': token, ...headers }
  if (body !== undefined && !isRaw) sent['Content-Type'] = 'application/json'
  let answer
  try {
    answer = await fetch(path, { method, headers: sent, signal, body: body === undefined || isRaw ? body : JSON.stringify(body) })
  } catch (error) {
    if (error.name === 'AbortError') throw error
    throw new Problem(0, 'No answer from Overheard: is it still running?')
  }
  if (answer.status === 401) {
    location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`)
    return new Promise(() => {}) // the page is on its way out
  }
  const text = await answer.text()
  const isJson = /json/.test(answer.headers.get('Content-Type') ?? '')
  const told = isJson && text ? JSON.parse(text) : null
  if (!answer.ok) throw new Problem(answer.status, told?.detail ?? `${answer.status} ${answer.statusText}`, told ?? {})
  return told
}

export const get = (path, options) => call('GET', path, undefined, options)
export const post = (path, body, options) => call('POST', path, body, options)
export const patch = (path, body, options) => call('PATCH', path, body, options)
export const remove = (path, options) => call('DELETE', path, undefined, options)

// kind: good, bad, warn, or empty. The same words are not told twice.
export function flash(text, kind = '') {
  const region = document.getElementById('flash')
  if ([...region.children].some((one) => one.dataset.text === text)) return
  const notice = document.createElement('p')
  notice.className = `notice ${kind}`
  notice.dataset.text = text
  const close = document.createElement('button')
  close.className = 'quiet'
  close.textContent = 'Close'
  close.addEventListener('click', () => notice.remove())
  notice.append(text, close)
  region.append(notice)
}

// Runs `work` while `button` is disabled; tells what goes wrong. Returns what `work` returns, undefined after a problem.
export async function act(button, work) {
  button.disabled = true
  try {
    return await work()
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem
    flash(problem.message, 'bad')
  } finally {
    button.disabled = false
  }
}
