// Keys: a new one is shown once.

import { listen } from './actions.js'
import { tellInDialog, toCopy } from './dialogs.js'
import { refresh } from './live.js'
import { node } from './node.js'

listen(refresh(30000))

document.addEventListener('done', ({ detail }) => {
  if (!detail?.key) return
  const advice = node('p', 'soft small', 'It is shown this once. Whoever has it may do what its role may: hand it over where nobody reads along.')
  tellInDialog(`The key of ${detail.name}`, toCopy(['Key', detail.key]), advice)
})
