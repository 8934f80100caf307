// What every page does: the reader's zone, selects that need no button, the current page in sight.

import { settle } from './time.js'

settle()
for (const form of document.querySelectorAll('form[data-submits]')) {
  form.addEventListener('change', () => form.requestSubmit())
}
document.querySelector('.side [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' })
