// What the reader asks for: buttons and dialogs that call the API, and the page as it is afterwards.
//
//   data-call="POST /alerts/12/snooze"  data-body='{"hours": 1}': done at once
//   data-confirm="What happens?"  data-confirms="Delete": asked first
//   data-asks="cancel": opens this dialog (ui.dialog), whose form is sent as JSON to its data-call, or to the button's.
//   The button may say what it is about (data-names, told in data-named) and what is filled in (data-fills, JSON by name)
//   data-done="Words that are told when it worked"
//   data-goes="/app/feeds": then another page is opened
//
// When one has worked, the document gets the event `done`, with the API's answer as its detail.

import { Problem, act, call, flash } from './api.js'
import { isConfirmed } from './dialogs.js'

// read: of live.js's reader(), renews the page.
export function listen(read) {
  let opener = null // of the dialog that is open

  async function send(asked, route, body) {
    const { done, goes } = asked.dataset
    const button = asked.matches('button') ? asked : opener
    const region = button?.closest('[data-live]')?.id
    const answer = await call(...route.split(' '), body)
    asked.closest('dialog')?.close()
    if (goes) return location.assign(goes)
    await read({ all: true })
    refocus(button?.id, region)
    document.dispatchEvent(new CustomEvent('done', { detail: answer }))
    if (done) flash(done, 'good')
  }

  document.addEventListener('click', async (event) => {
    const button = event.target.closest('button')
    const { call: route, body, confirm, confirms, asks, closes } = button?.dataset ?? {}
    if (closes !== undefined) button.closest('dialog').close()
    else if (asks) {
      opener = button
      open(document.getElementById(asks), button.dataset)
    } else if (route && (!confirm || (await isConfirmed(confirm, confirms)))) {
      act(button, () => send(button, route, body && JSON.parse(body)))
    }
  })

  document.addEventListener('submit', async (event) => {
    const form = event.target.closest('form[data-call]')
    if (!form) return
    event.preventDefault()
    const body = filled(form)
    tell(form, '')
    for (const button of form.querySelectorAll('button')) button.disabled = true
    try {
      await send(form, form.dataset.call, Object.keys(body).length ? body : undefined)
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem
      tell(form, problem.message)
    } finally {
      for (const button of form.querySelectorAll('button')) button.disabled = false
    }
  })
}

function open(dialog, { call: route, names, fills = '{}' }) {
  const form = dialog.querySelector('form')
  if (route) form.dataset.call = route
  for (const place of dialog.querySelectorAll('[data-named]')) place.textContent = names
  form.reset()
  for (const [name, value] of Object.entries(JSON.parse(fills))) {
    const field = form.elements[name]
    if (field.type === 'checkbox') field.checked = value
    else field.value = value ?? ''
  }
  for (const select of form.querySelectorAll('select')) select.dispatchEvent(new Event('change', { bubbles: true }))
  tell(form, '')
  dialog.showModal()
}

// What was filled in, by name: ticks, numbers and texts. Empty fields are left out; an empty choice is null.
function filled(form) {
  const fields = [...form.querySelectorAll('[name]')].filter((one) => one.matches('select, [type=checkbox]') || one.value.trim())
  return Object.fromEntries(fields.map((one) => [one.name, valueOf(one)]))
}

function valueOf(field) {
  if (field.type === 'checkbox') return field.checked
  const value = field.value.trim()
  if (!value) return null
  return field.type === 'number' || 'number' in field.dataset ? Number(value) : value
}

function tell(form, words) {
  const place = form.querySelector('[data-problem]')
  place.textContent = words
  place.hidden = !words
}

// A button that was pressed is another one by now, or gone: then what was renewed has the focus.
function refocus(id, region) {
  if (document.activeElement !== document.body) return
  const next = document.getElementById(id) ?? document.getElementById(region)
  if (next?.id === region) next.tabIndex = -1
  next?.focus({ preventScroll: true })
}
