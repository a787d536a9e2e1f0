// The search: shows the types and fields that have every word of it, in name or text.
const field = document.getElementById('search');
const found = document.getElementById('found');
const sections = [...document.querySelectorAll('section[data-entry]')].map((section) => ({
  section,
  link: document.querySelector(`li[data-entry="${section.dataset.entry}"]`),
  name: section.dataset.entry.toLowerCase(),
  text: section.textContent.toLowerCase(),
  members: [...section.querySelectorAll('article')].map((article) => ({
    article,
    text: `${section.dataset.entry}.${article.textContent}`.toLowerCase(),
  })),
}));

function search() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  const has = (text) => words.every((word) => text.includes(word));
  let count = 0;
  for (const { section, link, name, text, members } of sections) {
    const shown = has(text);
    section.hidden = link.hidden = !shown;
    if (shown) count += 1;
    // A type that is found by its own name keeps all of its fields.
    const whole = words.length === 0 || has(name);
    for (const member of members) member.article.hidden = !whole && !has(member.text);
  }
  found.textContent = words.length ? `${count} of ${sections.length} types` : '';
}

field.addEventListener('input', search);
addEventListener('keydown', (event) => {
  if (event.key === '/' && document.activeElement !== field) {
    event.preventDefault();
    field.focus();
  }
});
search();
