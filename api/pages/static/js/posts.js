// Keys go through the posts and correct what the model said of them.

import { Problem, flash, post, remove } from './api.js'

const list = document.querySelector('[data-posts]')
const told = document.querySelector('[data-told]')
const posts = [...document.querySelectorAll('[data-post]')]
const SAYS = { 1: 'negative', 2: 'neutral', 3: 'positive' }
const done = [] // what can be undone: { article, before, id }

function show(article, label, status) {
  article.dataset.mine = label
  for (const button of article.querySelectorAll('[data-says]')) button.setAttribute('aria-pressed', String(button.dataset.says === label))
  article.querySelector('[data-status]').textContent = status
}

function send(article, label) {
  const text = article.querySelector('.post-text').textContent
  return post('/labels', { labels: [{ text, label, purpose: 'train', source: article.dataset.source, brand: list.dataset.brand }] })
}

// Shown at once, and as it was where it could not be saved. Saves of one post keep their order.
function attempt(article, label, work) {
  const before = article.dataset.mine
  show(article, label, 'saving …')
  article.saving = (article.saving ?? Promise.resolve()).then(async () => {
    try {
      const words = await work(before)
      if (article.dataset.mine === label) show(article, label, words)
      told.textContent = words
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem
      show(article, before, before ? 'labelled by you' : '')
      flash(`Not saved: ${problem.message}`, 'bad')
    }
  })
}

function correct(article, label) {
  if (article.dataset.mine === label) return
  attempt(article, label, async (before) => {
    const { ids } = await send(article, label)
    done.push({ article, before, id: ids[0] })
    return `saved: ${label}, labelled by you`
  })
}

function undo() {
  const last = done.pop()
  if (!last) return
  last.article.focus()
  attempt(last.article, last.before, async () => {
    if (last.before) await send(last.article, last.before)
    else await remove(`/labels/${last.id}`)
    return last.before ? `undone: ${last.before} again` : 'undone: no label of yours'
  })
}

function go(step) {
  const here = posts.indexOf(document.activeElement.closest('[data-post]'))
  const next = posts[here < 0 ? 0 : Math.min(Math.max(here + step, 0), posts.length - 1)]
  next?.focus({ preventScroll: true })
  next?.scrollIntoView({ block: 'nearest' })
}

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input, select, textarea')) return
  const article = document.activeElement.closest('[data-post]')
  const mayLabel = article?.querySelector('[data-says]')
  if (event.key === 'j' || (event.key === 'ArrowDown' && article)) go(1)
  else if (event.key === 'k' || (event.key === 'ArrowUp' && article)) go(-1)
  else if (event.key in SAYS && mayLabel) correct(article, SAYS[event.key])
  else if (event.key === 'u' || event.key === 'z') undo()
  else if (event.key === 'o' && article) article.querySelector('[data-opens]')?.click()
  else return
  event.preventDefault()
})

document.addEventListener('click', (event) => {
  const button = event.target.closest('[data-says]')
  if (button) correct(button.closest('[data-post]'), button.dataset.says)
})
