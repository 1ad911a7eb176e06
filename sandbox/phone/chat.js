/** The conversation: bubbles, days, ticks. Whatever people wrote becomes text nodes, never markup. */

const TICK_WORDS = {
  sending: 'enviando',
  accepted: 'aceita',
  delivered: 'entregue ao bot',
  answered: 'respondida',
  refused: 'não enviada',
};

const ATTACHMENTS = {
  audio: { title: 'Mensagem de voz', detail: '0:07' },
  image: { title: 'Foto', detail: 'foto.jpg' },
  document: { title: 'Documento', detail: 'documento.pdf · 48 KB' },
};

/** So near the end, a reader is reading along and wants to stay there. */
const NEAR_END_PX = 80;

const list = document.getElementById('messages');
const scroller = document.getElementById('scroller');
const jump = document.getElementById('jump');
const clock = new Intl.DateTimeFormat('pt-BR', { hour: '2-digit', minute: '2-digit' });
const calendar = new Intl.DateTimeFormat('pt-BR', { day: 'numeric', month: 'long', year: 'numeric' });

jump.addEventListener('click', scrollToEnd);
scroller.addEventListener('scroll', () => {
  if (isNearEnd()) jump.hidden = true;
});

/** Shows a whole chat, its end first. */
export function showChat(messages, onRetry) {
  list.replaceChildren();
  for (const message of messages) appendBubble(message, onRetry);
  scrollToEnd();
}

/** Adds a message at the end. One's own words are always scrolled to, others' only when the reader is there already. */
export function addToChat(message, onRetry) {
  const follows = message.from === 'customer' || isNearEnd();
  appendBubble(message, onRetry).classList.add('is-new');
  followOrOffer(follows);
}

/** Redraws a message where it stands, e.g. with other ticks. */
export function redrawInChat(message, onRetry) {
  const follows = isNearEnd();
  bubbleOf(message.id)?.replaceWith(bubble(message, onRetry));
  if (follows) scrollToEnd();
}

export function removeFromChat(messageId) {
  bubbleOf(messageId)?.remove();
}

/** `idle`, `typing` or `overdue`. */
export function showActivity(activity) {
  const follows = isNearEnd();
  document.getElementById('typing').hidden = activity !== 'typing';
  document.getElementById('overdue').hidden = activity !== 'overdue';
  if (follows) scrollToEnd();
}

/** False when a narrow screen shows another place. */
export function isChatVisible() {
  return scroller.offsetParent !== null;
}

export function timeOf(message) {
  return clock.format(new Date(message.at));
}

/** A message in a few words, for a list or for a screen reader. */
export function summaryOf(message) {
  if (message.from === 'customer' && message.kind !== 'text') return ATTACHMENTS[message.kind].title;
  return message.text.replaceAll('*', '');
}

export function ticksIcon(ticks) {
  const icon = iconOf(ticks);
  icon.setAttribute('class', 'ticks');
  icon.setAttribute('role', 'img');
  icon.setAttribute('aria-label', TICK_WORDS[ticks]);
  icon.dataset.ticks = ticks;
  return icon;
}

/** An element with a class and with children; strings become text. */
export function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className !== '') made.className = className;
  made.append(...children);
  return made;
}

function isNearEnd() {
  return scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_END_PX;
}

function scrollToEnd() {
  scroller.scrollTop = scroller.scrollHeight;
  jump.hidden = true;
}

function followOrOffer(follows) {
  if (follows) scrollToEnd();
  else jump.hidden = false;
}

function bubbleOf(messageId) {
  return [...list.children].find((each) => each.dataset.messageId === messageId);
}

function appendBubble(message, onRetry) {
  const day = dayOf(message);
  if (list.lastElementChild?.dataset.day !== day) {
    const separator = element('li', 'day', day);
    separator.dataset.day = day;
    list.append(separator);
  }
  const made = bubble(message, onRetry);
  list.append(made);
  return made;
}

function dayOf(message) {
  const day = calendar.format(new Date(message.at));
  const now = new Date();
  if (day === calendar.format(now)) return 'Hoje';
  now.setDate(now.getDate() - 1);
  return day === calendar.format(now) ? 'Ontem' : day;
}

function bubble(message, onRetry) {
  const isCustomers = message.from === 'customer';
  const made = element('li', `bubble ${isCustomers ? 'customer-said' : 'company-said'}`);
  made.dataset.messageId = message.id;
  made.dataset.day = dayOf(message);
  made.append(...(isCustomers && message.kind !== 'text' ? [attachment(message.kind)] : formatted(message.text)));
  const about = element('span', 'about', element('time', '', timeOf(message)));
  about.firstChild.dateTime = message.at;
  if (isCustomers) about.append(ticksIcon(message.ticks));
  made.append(about);
  if (message.ticks === 'refused') made.append(retryButton(message, onRetry));
  return made;
}

function retryButton(message, onRetry) {
  const retry = element('button', 'retry', 'Não enviada. Tentar de novo');
  retry.type = 'button';
  retry.addEventListener('click', () => onRetry(message));
  return retry;
}

function attachment(kind) {
  const { title, detail } = ATTACHMENTS[kind];
  return element('span', 'attachment', iconOf(kind), element('span', '', title, element('small', '', detail)));
}

/** Text with its links clickable and its *strong words* strong, as people know it from chats. */
function formatted(text) {
  const parts = [];
  let read = 0;
  for (const found of text.matchAll(/https?:\/\/[^\s<>"']*[^\s<>"'.,;:!?)*]|\*(?=\S)[^*\n]*[^\s*]\*/g)) {
    parts.push(text.slice(read, found.index));
    parts.push(found[0].startsWith('*') ? element('strong', '', found[0].slice(1, -1)) : link(found[0]));
    read = found.index + found[0].length;
  }
  return [...parts, text.slice(read)];
}

function link(address) {
  const made = element('a', '', address);
  made.href = address;
  made.target = '_blank';
  made.rel = 'noopener noreferrer';
  return made;
}

function iconOf(name) {
  const svgNames = 'http://www.w3.org/2000/svg';
  const icon = document.createElementNS(svgNames, 'svg');
  const use = document.createElementNS(svgNames, 'use');
  use.setAttribute('href', `#icon-${name}`);
  icon.setAttribute('aria-hidden', 'true');
  icon.append(use);
  return icon;
}
