// What a reader asks for: buttons that call the API, and dialogs that ask before.
//   data-calls: "POST /path", done at once; data-done: what is told then
//   data-opens: the id of a dialog; its form is sent as JSON to data-call, its own or the button's, which may name
//   what it is about (data-names, told in data-named)

import { Problem, act, call, flash } from './api.js'

// done(): what to do when something was changed.
export function listen(done) {
  async function send(route, body, words, dialog) {
    const [method, path] = route.split(' ')
    await call(method, path, body)
    dialog?.close()
    document.getElementById('main').focus({ preventScroll: true }) // what holds the focus is not renewed
    flash(words, 'good')
    done()
  }

  document.addEventListener('click', (event) => {
    const button = event.target.closest('[data-calls], [data-opens], [data-closes]')
    if (!button) return
    if (button.dataset.calls) act(button, () => send(button.dataset.calls, undefined, button.dataset.done))
    else if (button.dataset.opens) open(document.getElementById(button.dataset.opens), button)
    else button.closest('dialog').close()
  })

  document.addEventListener('submit', async (event) => {
    const form = event.target.closest('form[data-call]')
    if (!form) return
    event.preventDefault()
    const body = filled(form)
    tell(form, '')
    for (const button of form.querySelectorAll('button')) button.disabled = true
    try {
      await send(form.dataset.call, Object.keys(body).length ? body : undefined, form.dataset.done, form.closest('dialog'))
      form.reset()
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem
      tell(form, problem.message)
    } finally {
      for (const button of form.querySelectorAll('button')) button.disabled = false
    }
  })
}

function open(dialog, button) {
  const form = dialog.querySelector('form')
  if (button.dataset.call) form.dataset.call = button.dataset.call
  for (const place of dialog.querySelectorAll('[data-named]')) place.textContent = button.dataset.names
  tell(form, '')
  dialog.showModal()
}

// What was filled in, by name: numbers, ticks and texts; empty fields are left out.
function filled(form) {
  const fields = [...form.querySelectorAll('[name]')].filter((one) => (one.type === 'checkbox' ? one.checked : one.value.trim()))
  const value = (one) => (one.type === 'checkbox' ? true : one.type === 'number' ? one.valueAsNumber : one.value.trim())
  return Object.fromEntries(fields.map((one) => [one.name, value(one)]))
}

function tell(form, words) {
  const place = form.querySelector('[data-problem]')
  place.textContent = words
  place.hidden = !words
}
