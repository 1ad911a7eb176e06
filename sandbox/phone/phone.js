/** The page: keeps what the server tells, sends what people write, and asks the other files to draw it. */

import { addToChat, isChatVisible, redrawInChat, removeFromChat, showActivity, showChat, summaryOf } from './chat.js';
import { focusField, startComposer } from './composer.js';
import { paintAvatar, showCustomers, showExamples, showFault, showFaultProblem, showHow } from './panels.js';
import { listen, post } from './server.js';

/** Everything known: the customers with their chats, who is shown, and the fault that is on. */
const town = { company: '', customers: [], currentId: undefined, fault: 'none' };
/** For each customer the end of the line of sends, so that a burst arrives in the order it was written. */
const sendQueues = new Map();

const byId = (id) => document.getElementById(id);

// ---- What the server tells

function receiveState(state) {
  byId('connection').textContent = '';
  const known = new Map(town.customers.map((customer) => [customer.id, customer]));
  town.company = state.company;
  town.customers = state.customers.map((customer) => ({
    ...customer,
    messages: [...customer.messages, ...unsent(known.get(customer.id), customer.messages)],
    unread: unreadIn(customer),
  }));
  town.currentId = (findCustomer(town.currentId ?? readSetting('customer')) ?? town.customers[0]).id;
  byId('company').textContent = state.company;
  byId('api-docs').href = state.apiDocsUrl;
  paintAvatar(byId('company-avatar'), state.company);
  receiveFault(state);
  showCurrent();
}

/** What this page wrote and the server never got. It stays, so that it can be sent again. */
function unsent(customer, received) {
  const ids = new Set(received.map((message) => message.id));
  const isOnlyHere = (message) => message.ticks === 'sending' || message.ticks === 'refused';
  return customer?.messages.filter((message) => isOnlyHere(message) && !ids.has(message.id)) ?? [];
}

function receiveMessage({ customerId, message }) {
  const customer = findCustomer(customerId);
  if (customer.messages.some((each) => each.id === message.id)) {
    changeMessage(customer, message);
    return;
  }
  customer.messages.push(message);
  const isCurrent = customerId === town.currentId;
  if (isCurrent) addToChat(message, retry);
  if (message.from === 'company') {
    customer.unread += 1;
    announce(message, customer);
  }
  refresh();
}

function announce(message, customer) {
  byId('announcer').textContent =
    customer.id === town.currentId
      ? `${town.company}: ${summaryOf(message)}`
      : `Mensagem nova no celular de ${customer.name}`;
}

function receiveTicks({ customerId, messageId, ticks, acceptedMs, answeredMs }) {
  const customer = findCustomer(customerId);
  const message = customer.messages.find((each) => each.id === messageId);
  if (message !== undefined) changeMessage(customer, { ...message, ticks, acceptedMs, answeredMs });
}

function changeMessage(customer, message) {
  customer.messages = customer.messages.map((each) => (each.id === message.id ? message : each));
  if (customer.id === town.currentId) redrawInChat(message, retry);
  refresh();
}

function receiveActivity({ customerId, activity }) {
  findCustomer(customerId).activity = activity;
  refresh();
}

function receiveFault({ fault }) {
  town.fault = fault;
  showFault(fault);
}

// ---- What is shown

function findCustomer(id) {
  return town.customers.find((customer) => customer.id === id);
}

function chooseCustomer(id) {
  town.currentId = id;
  writeSetting('customer', id);
  openView('chat');
}

/** On a narrow screen one place at a time is seen; on a wide one all three are, and this changes nothing. */
function openView(view) {
  document.body.dataset.view = view;
  if (view === 'chat') showCurrent();
}

function showCurrent() {
  showChat(findCustomer(town.currentId).messages, retry);
  refresh();
}

/** Everything around the bubbles: cheap, and so it is simply drawn again. */
function refresh() {
  const customer = findCustomer(town.currentId);
  if (isChatVisible()) markRead(customer);
  showCustomers(town.customers, { currentId: customer.id, onChoose: chooseCustomer });
  showActivity(customer.activity);
  byId('activity').textContent = customer.activity === 'typing' ? 'digitando…' : `no celular de ${customer.name}`;
  showHow(customer.messages);
  showExamples(customer, ask);
  const unread = town.customers.reduce((sum, each) => sum + each.unread, 0);
  document.title = `${unread > 0 ? `(${unread}) ` : ''}Celular de teste · Plantão`;
}

// ---- What people write

/** Shows a message at once and sends it after those before it. */
function write({ kind, text }) {
  const customer = findCustomer(town.currentId);
  if (customer === undefined) return;
  const at = new Date().toISOString();
  queue(customer, { id: newId(), from: 'customer', kind, text, at, ticks: 'sending' });
}

function ask(example) {
  write({ kind: 'text', text: example });
  focusField();
}

/** The same message once more, with the same id: if it did arrive, it does not arrive twice. */
function retry(refused) {
  const customer = findCustomer(town.currentId);
  customer.messages = customer.messages.filter((each) => each.id !== refused.id);
  removeFromChat(refused.id);
  queue(customer, { ...refused, at: new Date().toISOString(), ticks: 'sending' });
}

function queue(customer, message) {
  customer.messages.push(message);
  addToChat(message, retry);
  refresh();
  const before = sendQueues.get(customer.id) ?? Promise.resolve();
  const sent = before.then(() => send(customer.id, message));
  sendQueues.set(customer.id, sent);
}

/** The server tells the ticks by itself; only when it cannot be reached they are ours to tell. */
async function send(customerId, { id, kind, text }) {
  const isTaken = await post(`/phone/api/customers/${customerId}/messages`, { id, kind, text });
  if (!isTaken) receiveTicks({ customerId, messageId: id, ticks: 'refused' });
}

/** `randomUUID` is there only on https and localhost, and a phone on the same Wi-Fi is neither. */
function newId() {
  const bytes = window.crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

// ---- What was read, remembered by the browser

function markRead(customer) {
  customer.unread = 0;
  const last = customer.messages.at(-1);
  if (last !== undefined) writeSetting(`read-until.${customer.id}`, last.at);
}

function unreadIn({ id, messages }) {
  const readUntil = readSetting(`read-until.${id}`) ?? '';
  return messages.filter((message) => message.from === 'company' && message.at > readUntil).length;
}

/** Storage may be closed to the page; then it forgets, and works. */
function readSetting(name) {
  try {
    return localStorage.getItem(`phone.${name}`) ?? undefined;
  } catch {
    return undefined;
  }
}

function writeSetting(name, value) {
  try {
    localStorage.setItem(`phone.${name}`, value);
  } catch {
    // Nothing else depends on it.
  }
}

// ---- The start

byId('faults').addEventListener('change', async (event) => {
  if (await post('/phone/api/faults', { fault: event.target.value })) return;
  showFault(town.fault);
  showFaultProblem();
});
for (const door of document.querySelectorAll('[data-open-view]')) {
  door.addEventListener('click', () => openView(door.dataset.openView));
}
startComposer(write);
listen(
  {
    state: receiveState,
    message: receiveMessage,
    ticks: receiveTicks,
    typing: receiveActivity,
    faults: receiveFault,
  },
  () => {
    byId('connection').textContent = 'Sem conexão com o servidor. Tentando de novo…';
  },
);
