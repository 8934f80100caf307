// The timetable is read again while the page is open; a cron says when it would run before it is saved.

import { listen } from './actions.js'
import { Problem, patch, post } from './api.js'
import { refresh } from './live.js'
import { element as time } from './time.js'

const PAUSE_MS = 300
const form = document.querySelector('[data-change]')

listen(refresh(5000))
if (form) prepare()

function prepare() {
  const [cron, place, problem] = ['#cron', '[data-preview]', '[data-problem]'].map((one) => form.querySelector(one))
  let timer = 0

  function tell(words) {
    problem.textContent = words
    problem.hidden = !words
  }

  async function preview() {
    const asked = cron.value
    const fields = asked.split(/\s+/).filter(Boolean).length
    place.replaceChildren()
    if (fields !== 5) return tell(fields ? `A cron has five fields; this one has ${fields}.` : '')
    try {
      const told = await post('/schedules/previews', { cron: asked })
      if (asked !== cron.value) return // a later answer is on its way
      tell('')
      place.replaceChildren(...words(told))
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      if (asked !== cron.value) return
      tell(error.message)
      place.replaceChildren()
    }
  }

  function words({ means, next_runs: next }) {
    const said = document.createElement('p')
    said.append(`${means[0].toUpperCase()}${means.slice(1)}. Next: `)
    next.forEach((at, number) => said.append(number ? '; ' : '', time(at)))
    return [said]
  }

  async function save(value) {
    try {
      await patch(`/schedules/${form.dataset.change}`, { cron: value })
      location.assign(form.dataset.back)
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      tell(error.message)
    }
  }

  cron.addEventListener('input', () => {
    clearTimeout(timer)
    timer = setTimeout(preview, PAUSE_MS)
  })
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    save(cron.value)
  })
  form.querySelector('[data-default]')?.addEventListener('click', () => save(null))
  preview()
}
