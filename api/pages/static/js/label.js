// One post after the other. A key press shows the next one at once; what was said is sent behind it, in order, kept in the
// browser until the server has it, and sent again where that failed.

import { Problem, flash, get, post, remove } from './api.js'
import { refresh } from './live.js'
import { node } from './node.js'
import { MOODS as NAMES, bar } from './scores.js'

const AT_ONCE = 20
const FEW = 8
const LONGEST_WAIT_MS = 30000
const KEYS = { 1: 0, 2: 1, 3: 2, 0: null, '?': null }

const page = document.querySelector('[data-queue]')
const find = (name) => page.querySelector(`[data-${name}]`)
const moods = Object.fromEntries(NAMES.map((name) => [name, page.querySelector(`.answer.${name} .mood`)]))
const platforms = JSON.parse(page.dataset.platforms)
const storage = `overheard-answers-${page.dataset.owner}`

// What is still to be sent: { item, label } or { item, undo: true }, the oldest first.
const outbox = {
  all: JSON.parse(localStorage.getItem(storage) ?? '[]'),
  change(work) {
    work(this.all)
    localStorage.setItem(storage, JSON.stringify(this.all))
    tellWaiting()
  },
}
const hand = [] // what is asked next
const done = [] // what was answered or skipped, the newest last: { asked, label, skipped }
const skipped = new Set()
let isSending = false
let isAsking = false
let failures = 0
let answered = 0

function show() {
  const asked = hand[0]
  const text = find('text')
  for (const button of page.querySelectorAll('[data-answer], [data-skip]')) button.disabled = !asked
  find('undo').disabled = !done.length
  find('again').hidden = Boolean(asked) || !skipped.size || isAsking
  if (asked) {
    text.textContent = asked.text
    if (asked.language) text.lang = asked.language
    else text.removeAttribute('lang')
    const facts = [platforms[asked.source.replace(/^demo-/, '')] ?? asked.source, asked.brands.length ? `about ${asked.brands.join(', ')}` : '']
    find('facts').replaceChildren(...facts.filter(Boolean).map((fact) => node('span', '', fact)))
    find('card').scrollTop = 0
  } else {
    find('facts').textContent = '\u00a0'
    text.removeAttribute('lang')
    text.replaceChildren(node('span', 'none', nothing()))
  }
}

function nothing() {
  if (isAsking) return 'Asking for posts …'
  if (failures) return 'No answer from Overheard. It is asked again.'
  if (skipped.size) return `Nothing left but what you skipped: ${skipped.size}.`
  return 'All is labelled. New posts come as they are heard and scored.'
}

async function fill() {
  if (isAsking || hand.length >= FEW) return
  isAsking = true
  show()
  try {
    const limit = Math.min(200, AT_ONCE + hand.length + skipped.size + outbox.all.length)
    const { items } = await get(`/labels/queue?brand_id=${page.dataset.brand}&limit=${limit}`)
    const known = new Set([...hand.map((one) => one.item), ...skipped, ...done.map((one) => one.asked.item), ...outbox.all.map((one) => one.item)])
    hand.push(...items.filter((one) => !known.has(one.item)))
    failures = 0
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem
    failures += 1
    setTimeout(fill, wait())
  } finally {
    isAsking = false
    show()
  }
}

const wait = () => Math.min(LONGEST_WAIT_MS, 1000 * 2 ** (failures - 1))

function answer(label) {
  const asked = hand.shift()
  if (!asked) return
  done.push({ asked, label })
  outbox.change((all) => all.push({ item: asked.item, label }))
  answered += 1
  tell(asked, label)
  show()
  send()
  fill()
}

function skip() {
  const asked = hand.shift()
  if (!asked) return
  done.push({ asked, skipped: true })
  skipped.add(asked.item)
  tellSaid(node('p', 'soft', 'Skipped.'))
  show()
  fill()
}

function undo() {
  const last = done.pop()
  if (!last) return
  const { item } = last.asked
  hand.unshift(last.asked)
  if (last.skipped) skipped.delete(item)
  else {
    answered -= 1
    outbox.change((all) => {
      const place = all.findLastIndex((one, place) => one.item === item && !(isSending && place === 0))
      if (place < 0) all.push({ item, undo: true })
      else all.splice(place, 1)
    })
    send()
  }
  tellSaid(node('p', 'soft', 'Undone. What is it?'))
  tellCount()
  show()
}

async function send() {
  if (isSending) return
  isSending = true
  while (outbox.all.length) {
    const [{ item, label, undo: isUndo }] = outbox.all
    try {
      const told = isUndo ? await remove(`/labels/queue/${item}`) : await post(`/labels/queue/${item}`, { label })
      failures = 0
      if (told) tellModel(item, label, told.said)
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem
      if (problem.status === 0 || problem.status === 429 || problem.status >= 500) {
        failures += 1
        tellWaiting()
        await new Promise((go) => {
          setTimeout(go, wait())
          addEventListener('online', go, { once: true })
        })
        continue
      }
      flash(`One answer was not saved: ${problem.message}`, 'bad')
    }
    outbox.change((all) => all.shift())
  }
  isSending = false
}

// What the reader sees of it

function tell(asked, label) {
  const said = node('p')
  said.append('You said ', label === null ? node('b', '', 'can’t tell') : mood(label))
  tellSaid(said)
  find('said').dataset.item = asked.item
  tellCount()
}

function tellSaid(words) {
  delete find('said').dataset.item
  find('said').replaceChildren(words)
}

function tellModel(item, label, said) {
  const place = find('said')
  if (place.dataset.item !== item || !said) return
  const words = node('p')
  const isSame = label !== null && said.sentiment === NAMES[label]
  words.append(isSame ? 'The model had said so, too: ' : 'The model had said ', mood(NAMES.indexOf(said.sentiment)), ` ${Math.round(said[said.sentiment] * 100)}\u202f%`)
  place.append(bar(said), words)
}

function mood(label) {
  return moods[NAMES[label]].cloneNode(true)
}

function tellCount() {
  find('count').textContent = answered > 0 ? `${answered} labelled now.` : ''
}

function tellWaiting() {
  const count = outbox.all.length
  const words = failures && count ? `${count} not saved yet; tried again until ${count === 1 ? 'it is' : 'they are'}.` : ''
  const place = find('saved')
  if (place.textContent !== words) place.textContent = words
}

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.target.closest('input, select, textarea')) return
  if (event.key in KEYS) answer(KEYS[event.key])
  else if (event.key === 's' || event.key === 'ArrowRight') skip()
  else if (event.key === 'u' || event.key === 'z') undo()
  else return
  event.preventDefault()
})

page.addEventListener('click', (event) => {
  const button = event.target.closest('button')
  if (!button) return
  if ('answer' in button.dataset) answer(JSON.parse(button.dataset.answer))
  else if ('skip' in button.dataset) skip()
  else if ('undo' in button.dataset) undo()
  else if ('again' in button.dataset) {
    skipped.clear()
    done.splice(0, done.length, ...done.filter((one) => !one.skipped))
    fill()
  }
})

send()
fill()
refresh(30000)
