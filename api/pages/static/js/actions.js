// Buttons that call the API, and what the page shows of it afterwards.
//
//   data-call="POST /alerts/12/snooze"  data-body='{"hours": 1}'
//   data-renews="still rules-now": ids of elements that are read again from this page
//   data-confirm="What happens?"  data-confirms="Delete": asked first, in a dialog
//   data-done="Words that are told when it worked"
//   data-goes="/app/feeds": then another page is opened

import { act, call, flash } from './api.js'
import { put } from './live.js'

document.addEventListener('click', async (event) => {
  const button = event.target.closest('[data-call]')
  if (!button) return
  const { call: said, body, renews = '', confirm, confirms, done, goes } = button.dataset
  if (confirm && !(await isConfirmed(confirm, confirms))) return
  const [method, path] = said.split(' ')
  const regions = renews.split(' ').filter(Boolean)
  const worked = await act(button, async () => {
    await call(method, path, body && JSON.parse(body))
    if (goes) location.assign(goes)
    else await renew(...regions)
    return true
  })
  refocus(button.id, regions[0])
  if (worked && done) flash(done, 'good')
})

// Reads this page again and puts what it says now into the elements with these ids.
export async function renew(...ids) {
  const answer = await fetch(location.href, { headers: { Accept: 'text/html' } })
  if (!answer.ok) return
  const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html')
  for (const id of ids) {
    const [old, now] = [document.getElementById(id), fresh.getElementById(id)]
    if (old && now) put(old, now)
  }
}

// A button that was pressed is another one by now, or gone: then what was renewed has the focus.
function refocus(id, region) {
  if (document.activeElement !== document.body) return
  const next = document.getElementById(id) ?? document.getElementById(region)
  if (next?.id === region) next.tabIndex = -1
  next?.focus({ preventScroll: true })
}

// True when the reader says so.
export function isConfirmed(question, yes = 'Yes') {
  const words = document.createElement('p')
  words.textContent = question
  return ask(words, [], [choice('', 'Cancel', 'quiet'), choice('yes', yes, 'danger')])
}

// A heading and what is told below it, until the reader closes it.
export function tellInDialog(heading, ...told) {
  return ask(heading, told, [choice('', 'Close', 'quiet')])
}

function ask(heading, told, choices) {
  const dialog = document.createElement('dialog')
  const form = document.createElement('form')
  heading.id = 'asked'
  dialog.className = 'asks'
  dialog.setAttribute('aria-labelledby', heading.id)
  form.method = 'dialog'
  form.className = 'row'
  form.append(...choices)
  dialog.append(heading, ...told, form)
  document.body.append(dialog)
  dialog.showModal()
  return new Promise((answer) => {
    dialog.addEventListener('close', () => {
      dialog.remove()
      answer(dialog.returnValue === 'yes')
    })
  })
}

function choice(value, name, kind) {
  const button = document.createElement('button')
  button.value = value
  button.textContent = name
  button.className = kind
  return button
}
