// Dialogs that are made when they are needed; those with forms are in the page (ui.dialog).

import { node } from './node.js'

// True when the reader says so.
export function isConfirmed(question, yes = 'Yes') {
  return show(node('p', '', question), [], [choice('', 'Cancel', 'quiet'), choice('yes', yes, 'danger')])
}

// A heading and what is told below it, until the reader closes it.
export function tellInDialog(heading, ...told) {
  return show(node('h2', '', heading), told, [choice('', 'Close', 'quiet')])
}

// Facts that are copied out of a dialog: pairs of a name and a value.
export function toCopy(...facts) {
  const list = node('dl', 'to-copy')
  for (const [term, value] of facts) list.append(node('dt', '', term), node('dd', 'mono breaks', value))
  return list
}

function show(heading, told, choices) {
  const dialog = node('dialog', 'asks')
  const form = node('form', 'row')
  heading.id = 'asked'
  dialog.setAttribute('aria-labelledby', heading.id)
  form.method = 'dialog'
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
  const button = node('button', kind, name)
  button.value = value
  return button
}
