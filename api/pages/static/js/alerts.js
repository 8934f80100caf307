// Alerts are read again while the page is open; a rule is rehearsed before it is enabled; a recipient is tested.

import { listen } from './actions.js'
import { Problem, act, call, flash, get, post } from './api.js'
import { refresh } from './live.js'
import { zone } from './time.js'

const TEST_LOOKS = 40
const TEST_EVERY_MS = 1500
const form = document.querySelector('[data-rule]')

const read = refresh(15000)
listen(read)
if (form) prepare()

document.addEventListener('click', (event) => {
  const button = event.target.closest('[data-test]')
  if (button) act(button, () => test(button.dataset.test, button.dataset.name))
})

document.addEventListener('change', ({ target }) => {
  if (!('way' in target.dataset)) return
  const { hint, example } = target.selectedOptions[0].dataset
  target.form.elements.url.placeholder = example
  target.form.querySelector('[data-way-hint]').textContent = hint
})

async function test(id, name) {
  const { id: notice } = await post(`/recipients/${id}/test`)
  for (let look = 0; look < TEST_LOOKS; look += 1) {
    const { notices } = await get(`/recipients/${id}`)
    const sent = notices.find((one) => one.id === notice)
    if (sent && (sent.state === 'sent' || sent.problem)) {
      await read({ all: true })
      if (sent.state === 'sent') return flash(`The test reached ${name}.`, 'good')
      return flash(`The test did not reach ${name}: ${sent.problem}`, 'bad')
    }
    await new Promise((go) => setTimeout(go, TEST_EVERY_MS))
  }
  flash(`The test to ${name} is still on its way. Is the housekeeping worker alive?`, 'warn')
}

function prepare() {
  const fields = form.elements
  const find = (name) => form.querySelector(`[data-${name}]`)
  const place = document.querySelector('[data-rehearsal]')
  const isNew = !form.dataset.rule
  let rehearsed = ''

  const kind = () => fields.kind.selectedOptions[0].dataset
  const isOfBrands = () => kind().brands === 'true'
  const canRehearse = () => kind().rehearses === 'true' && fields.on.options.length > 0
  const on = () => fields.brand_id.value || fields.on.value

  function asked() {
    const said = { kind: fields.kind.value, brand_id: on(), sensitivity: fields.sensitivity.value, min_posts: fields.min_posts.value }
    return new URLSearchParams({ ...said, cooldown_s: 60 * fields.cooldown.value, period: fields.period.value }).toString()
  }

  function settle() {
    document.getElementById('rule-does').textContent = kind().does
    for (const one of form.querySelectorAll('[data-of-brands]')) one.hidden = !isOfBrands()
    fields.min_posts.disabled = !isOfBrands()
    find('rehearses').hidden = !canRehearse()
    find('rehearse').hidden = !canRehearse()
    fields.on.hidden = Boolean(fields.brand_id.value)
    const isStale = canRehearse() && rehearsed !== asked()
    form.querySelector('[data-save="true"]').disabled = isStale && isNew
    place.classList.toggle('stale', isStale)
    find('why').textContent = isStale && isNew ? 'Rehearse it first: when would it have fired?' : canRehearse() ? '' : 'Of this no history is kept, so it can’t be rehearsed.'
  }

  async function rehearse() {
    const question = asked()
    const answer = await fetch(`/app/alerts/rehearsal?${question}`, { headers: { Accept: 'text/html' } })
    const part = new DOMParser().parseFromString(await answer.text(), 'text/html')
    if (!answer.ok) throw new Problem(answer.status, part.querySelector('.empty p')?.textContent ?? 'It could not be rehearsed.')
    const { drawAll } = await import('./chart.js')
    place.replaceChildren(...part.body.childNodes)
    drawAll(place)
    rehearsed = question
    tell('')
    settle()
  }

  function quiet() {
    if (!fields.from.value && !fields.until.value) return null
    return { from: fields.from.value, until: fields.until.value, tz: find('quiet-zone').textContent }
  }

  async function save(isEnabled) {
    const options = { sensitivity: fields.sensitivity.value, ...(isOfBrands() ? { min_posts: Number(fields.min_posts.value) } : {}) }
    const rule = { name: fields.name.value.trim(), options, quiet: quiet(), cooldown_s: 60 * fields.cooldown.value }
    if (isNew) {
      const about = { kind: fields.kind.value, brand_id: isOfBrands() && fields.brand_id.value ? Number(fields.brand_id.value) : null }
      await post('/rules', { ...rule, ...about, is_enabled: isEnabled })
    } else {
      const { options: before } = await get(`/rules/${form.dataset.rule}`)
      await call('PATCH', `/rules/${form.dataset.rule}`, { ...rule, options: { ...before, ...options } })
    }
    location.assign(`${form.dataset.back}#rules`)
  }

  function tell(problem) {
    find('problem').textContent = problem
    find('problem').hidden = !problem
  }

  async function attempt(button, work) {
    button.disabled = true
    try {
      await work()
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem
      tell(problem.message)
    } finally {
      button.disabled = false
      settle()
    }
  }

  form.addEventListener('input', (event) => {
    if (event.target === fields.kind) fields.cooldown.value = kind().cooldown
    settle()
  })
  find('rehearse').addEventListener('click', () => fields.min_posts.reportValidity() && fields.cooldown.reportValidity() && attempt(find('rehearse'), rehearse))
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    const button = event.submitter ?? form.querySelector('[data-save]')
    attempt(button, () => save(button.dataset.save === 'true'))
  })
  if (isNew) find('quiet-zone').textContent = zone
  settle()
}
