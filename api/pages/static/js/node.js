// An element with a class name and a text, either of which may be empty.
export function node(tag, name = '', text = '') {
  const made = document.createElement(tag)
  if (name) made.className = name
  made.textContent = text
  return made
}
