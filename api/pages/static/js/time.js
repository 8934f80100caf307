// Times in the reader's zone, in the form that the server writes, with UTC to whoever points at them.

export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC'
const FORMS = {
  day: { day: 'numeric', month: 'short', year: 'numeric' },
  second: { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' },
  minute: { day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' },
}

export function written(at, shows = 'minute') {
  const parts = new Intl.DateTimeFormat('en-GB', { ...FORMS[shows], timeZone: zone }).formatToParts(at)
  const part = (type) => parts.find((one) => one.type === type)?.value
  if (shows === 'second') return `${part('hour')}:${part('minute')}:${part('second')}`
  const day = `${part('day')} ${part('month').slice(0, 3)} ${part('year')}`
  return shows === 'day' ? day : `${day}, ${part('hour')}:${part('minute')}`
}

// A `time` element like those of the server.
export function element(iso, shows = 'minute') {
  const at = new Date(iso)
  const time = document.createElement('time')
  time.dateTime = at.toISOString()
  time.title = `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`
  time.dataset.shows = shows
  time.textContent = written(at, shows)
  return time
}

// "in 3 minutes", "2 hours ago".
export function relative(at, now = Date.now()) {
  const seconds = (new Date(at) - now) / 1000
  const units = [['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]]
  const [unit, length] = units.find(([, size]) => Math.abs(seconds) >= size) ?? ['second', 1]
  return new Intl.RelativeTimeFormat('en', { numeric: 'auto' }).format(Math.round(seconds / length), unit)
}

// Tells the server the zone for the pages to come; this one, if it was written in another, is put right here.
export function settle(root = document) {
  const written_in = document.documentElement.dataset.zone
  document.cookie = `tz=${zone}; path=/; max-age=31536000; SameSite=Lax`
  if (written_in === zone) return
  for (const time of root.querySelectorAll('time[data-shows]')) time.textContent = written(new Date(time.dateTime), time.dataset.shows)
  for (const name of document.querySelectorAll('[data-zone-name]')) name.textContent = zone
}
