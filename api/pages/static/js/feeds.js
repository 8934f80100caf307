// Feeds are read again while the page is open; a new one is tried out before it is added.

import { listen } from './actions.js'
import { Problem, act, get, post } from './api.js'
import { tellInDialog, toCopy } from './dialogs.js'
import { refresh } from './live.js'
import { node } from './node.js'
import { element as time } from './time.js'

const form = document.querySelector('[data-add]')

listen(refresh(10000))
if (form) prepare()

document.addEventListener('click', (event) => {
  const button = event.target.closest('[data-secret]')
  if (button) act(button, () => showSecret(button.dataset.secret, button.dataset.name))
})

async function showSecret(id, name) {
  const { push_url: path, secret } = await get(`/feeds/${id}/secret`)
  const facts = toCopy(['Send posts to', `POST ${location.origin}${path}`], ['Signed with', secret])
  tellInDialog(`How to push to ${name}`, facts, node('p', 'soft small', 'The secret is as good as a key: keep it where your program keeps its own.'))
}

function prepare() {
  const fields = form.elements
  const find = (name) => form.querySelector(`[data-${name}]`)
  let tried = '' // what was asked when it worked

  const platform = () => fields.platform.selectedOptions[0].dataset
  const isNew = () => fields.brand.value === 'new'
  const isPushed = () => fields.platform.value === 'webhook'
  const listed = (name) => fields[name].value.split(',').map((word) => word.trim()).filter(Boolean)

  function source() {
    const target = platform().target ? fields.target.value.trim() : ''
    return target ? `${fields.platform.value}:${target}` : fields.platform.value
  }

  function brand() {
    const told = { name: fields.name.value.trim() }
    for (const name of ['aliases', 'excluded', 'competitors', 'languages']) told[name] = listed(name)
    return told
  }

  const asked = () => (isNew() ? { source: source(), brand: brand() } : { source: source(), brand_id: Number(fields.brand.value) })
  const isTried = () => isPushed() || tried === JSON.stringify(asked())

  function settle() {
    const { hint, target, example, needed } = platform()
    for (const one of form.querySelectorAll('[data-new]')) one.hidden = !isNew()
    fields.name.required = isNew()
    document.getElementById('add-hint').textContent = hint
    find('target-field').hidden = !target
    find('target-name').textContent = needed === 'true' ? target : `${target} (if you like)`
    fields.target.required = Boolean(target) && needed === 'true'
    fields.target.placeholder = example
    find('try').hidden = isPushed()
    find('save').disabled = !isTried()
    find('save').classList.toggle('quiet', !isTried())
    find('why').textContent = isTried() ? '' : 'It can be added once the test has gone well.'
    if (!isTried()) find('tried').replaceChildren()
  }

  function tell(problem) {
    find('problem').textContent = problem
    find('problem').hidden = !problem
  }

  function show(found) {
    const name = isNew() ? brand().name : fields.brand.selectedOptions[0].textContent
    const said = node('p', 'notice good')
    if (!found.posts) said.append(`It answers, and has nothing about ${name} now. What comes will be heard.`)
    else said.append(`It answers: ${found.posts} ${found.posts === 1 ? 'post' : 'posts'} about ${name} on the first page, the newest of `, time(found.newest_at), '.')
    const quotes = node('ul', 'quotes plain')
    for (const text of found.examples) {
      const quote = node('li')
      quote.append(node('blockquote', '', text))
      quotes.append(quote)
    }
    find('tried').replaceChildren(said, ...(found.examples.length ? [quotes] : []))
  }

  async function attempt(button, words, work) {
    if (!form.reportValidity()) return
    tell('')
    find('tried').replaceChildren(node('p', 'soft', words))
    button.disabled = true
    let show = () => {}
    try {
      show = await work()
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem
      tell(problem.message)
      find('tried').replaceChildren()
    } finally {
      button.disabled = false
      settle()
      show()
      if (document.activeElement === document.body) button.focus({ preventScroll: true })
    }
  }

  async function attemptTest() {
    const question = asked()
    const found = await post('/feeds/tests', question)
    if (!found.works) {
      const { reason, advice } = found.problem
      throw new Problem(0, `It does not work: ${reason.replace(/^\w+: /, '')}${advice && !reason.includes(advice) ? `. ${advice}` : ''}`)
    }
    tried = JSON.stringify(question)
    return () => show(found)
  }

  async function save() {
    const told = asked()
    const made = isNew() ? await post('/brands', { ...told.brand, sources: [told.source] }) : await post('/feeds', told)
    const [brandId, feedId] = isNew() ? [made.id, made.feeds.at(-1)?.id] : [told.brand_id, made.id]
    location.assign(`/app/feeds?brand=${brandId}&added=${feedId ?? ''}`)
    return () => {}
  }

  form.addEventListener('input', () => {
    tell('')
    settle()
  })
  find('try').addEventListener('click', () => attempt(find('try'), 'Asking …', attemptTest))
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    if (isTried()) attempt(find('save'), 'Adding …', save)
    else attempt(find('try'), 'Asking …', attemptTest)
  })
  settle()
}
