/** What stands around the conversation: customers, example questions, faults, and the line that tells how it works. */

import { element, summaryOf, ticksIcon, timeOf } from './chat.js';

const seconds = new Intl.NumberFormat('pt-BR', { maximumFractionDigits: 1 });

/** Rebuilds the list of customers; the focus stays on the person it was on. */
export function showCustomers(customers, { currentId, onChoose }) {
  const list = document.getElementById('customers');
  const focusedId = list.contains(document.activeElement) ? document.activeElement.dataset.customerId : undefined;
  list.replaceChildren(...customers.map((customer) => customerItem(customer, customer.id === currentId, onChoose)));
  if (focusedId !== undefined) list.querySelector(`[data-customer-id="${focusedId}"]`)?.focus();
}

export function paintAvatar(avatar, name, colour) {
  avatar.textContent = initialsOf(name);
  if (colour !== undefined) avatar.style.setProperty('--avatar', colour);
}

/** The questions not asked yet, to be asked with one touch. */
export function showExamples(customer, onAsk) {
  const asked = new Set(customer.messages.map((message) => message.text));
  const open = customer.examples.filter((example) => !asked.has(example));
  const box = document.getElementById('examples');
  box.classList.toggle('is-inviting', customer.messages.length === 0);
  // Drawn only when they change, so that the focus and the place of the row stay.
  if (box.dataset.shown === JSON.stringify(open)) return;
  box.dataset.shown = JSON.stringify(open);
  box.replaceChildren(...open.map((example) => exampleButton(example, onAsk)));
}

/** Marks the fault that is on, everywhere it shows. */
export function showFault(fault) {
  for (const radio of document.querySelectorAll('[name="fault"]')) radio.checked = radio.value === fault;
  const chosen = document.querySelector(`[name="fault"][value="${fault}"]`);
  const name = chosen.closest('label').querySelector('strong').textContent;
  const now = document.getElementById('fault-now');
  now.textContent = `Agora: ${name.toLowerCase()}`;
  now.classList.toggle('is-broken', fault !== 'none');
  const door = document.getElementById('open-faults');
  door.classList.toggle('is-broken', fault !== 'none');
  door.setAttribute('aria-label', fault === 'none' ? 'Falhas' : `Falhas: ${name}`);
}

export function showFaultProblem() {
  const now = document.getElementById('fault-now');
  now.textContent = 'A falha não pôde ser trocada: o servidor não respondeu.';
  now.classList.add('is-broken');
}

/** What happened to the last message of the chat, in one line. */
export function showHow(messages) {
  const last = messages.findLast((message) => message.from === 'customer');
  document.getElementById('how').textContent =
    last === undefined ? 'envie uma mensagem e veja aqui o caminho dela.' : wayOf(last);
}

function wayOf({ ticks, acceptedMs, answeredMs }) {
  const accepted = `aceita pelo webhook em ${acceptedMs} ms`;
  switch (ticks) {
    case 'sending':
      return 'a caminho do webhook…';
    case 'refused':
      return 'o webhook não aceitou a mensagem.';
    case 'answered':
      return `${accepted}, respondida em ${seconds.format(answeredMs / 1_000)} s.`;
    case 'delivered':
      return `${accepted}, guardada para o bot.`;
    default:
      return `${accepted}.`;
  }
}

function exampleButton(example, onAsk) {
  const button = element('button', 'example', example);
  button.type = 'button';
  button.title = example;
  button.addEventListener('click', () => onAsk(example));
  return button;
}

function customerItem(customer, isCurrent, onChoose) {
  const avatar = element('span', 'avatar');
  avatar.setAttribute('aria-hidden', 'true');
  paintAvatar(avatar, customer.name, customer.colour);

  const button = element('button', 'customer', avatar, customerLines(customer));
  button.type = 'button';
  button.dataset.customerId = customer.id;
  button.setAttribute('aria-current', String(isCurrent));
  button.addEventListener('click', () => onChoose(customer.id));
  return element('li', '', button);
}

function customerLines(customer) {
  const last = customer.messages.at(-1);
  const lines = element('span', 'lines', element('span', 'name', customer.name));
  lines.append(last === undefined ? '' : element('time', '', timeOf(last)), preview(customer, last));
  if (customer.unread > 0) {
    const badge = element('span', 'badge', String(customer.unread));
    badge.append(element('span', 'for-readers', customer.unread === 1 ? ' não lida' : ' não lidas'));
    lines.append(badge);
  }
  return lines;
}

function preview(customer, last) {
  if (customer.activity === 'typing') return element('span', 'preview is-typing', 'digitando…');
  if (last === undefined) return element('span', 'preview', phoneOf(customer));
  const line = element('span', 'preview', summaryOf(last));
  if (last.from === 'customer') line.prepend(ticksIcon(last.ticks), ' ');
  return line;
}

/** +55 11 99999-0001 */
function phoneOf({ phone }) {
  return phone.replace(/^(\d\d)(\d\d)(\d{4,5})(\d{4})$/, '+$1 $2 $3-$4');
}

function initialsOf(name) {
  const words = name.split(' ').filter((word) => /^\p{Lu}/u.test(word));
  return [words[0], words.at(-1)].map((word) => word?.[0] ?? '').join('');
}
