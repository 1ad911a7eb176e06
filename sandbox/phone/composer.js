/** Where people write: the field, its counter, and the menu of things to attach. */

/** The counter shows itself when this little is left. */
const COUNTER_SHOWS_BELOW = 300;

const field = document.getElementById('text');
const counter = document.getElementById('counter');
const attachButton = document.getElementById('attach');
const attachMenu = document.getElementById('attach-menu');

/** @param onWrite gets `{ kind, text }` for everything a person sends. */
export function startComposer(onWrite) {
  const submit = () => {
    const text = field.value.trim();
    if (text === '') return;
    field.value = '';
    showCounter();
    onWrite({ kind: 'text', text });
    focusField();
  };
  document.getElementById('composer').addEventListener('submit', (event) => {
    event.preventDefault();
    submit();
  });
  field.addEventListener('input', showCounter);
  field.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  });
  startAttachMenu((kind) => onWrite({ kind, text: '' }));
}

export function focusField() {
  field.focus();
}

function showCounter() {
  const { length } = field.value;
  counter.textContent = field.maxLength - length < COUNTER_SHOWS_BELOW ? `${length} de ${field.maxLength}` : '';
  counter.classList.toggle('is-full', length >= field.maxLength);
}

function startAttachMenu(onAttach) {
  const open = (isOpen) => {
    attachMenu.hidden = !isOpen;
    attachButton.setAttribute('aria-expanded', String(isOpen));
  };
  attachButton.addEventListener('click', () => {
    open(attachMenu.hidden);
    if (!attachMenu.hidden) attachMenu.querySelector('button').focus();
  });
  attachMenu.addEventListener('click', (event) => {
    const choice = event.target.closest('[data-attach]');
    if (choice === null) return;
    open(false);
    onAttach(choice.dataset.attach);
    focusField();
  });
  document.addEventListener('click', (event) => {
    if (event.target.closest('.attach') === null) open(false);
  });
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || attachMenu.hidden) return;
    open(false);
    attachButton.focus();
  });
}
