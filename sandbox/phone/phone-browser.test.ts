import { once } from 'node:events';
import http from 'node:http';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import express from 'express';
import type { Page } from 'playwright-core';
import { describeInBrowser } from './browser.ts';
import { phonePage } from './phone-page.ts';
import { ACCEPTED, RehearsalTown, portOf } from './rehearsal-town.ts';

/** The browser shares two cores with everything else. */
const WAIT_MS = 10_000;

describeInBrowser('the phone in a browser', (browser) => {
  let rehearsal: RehearsalTown;
  let server: http.Server;
  let page: Page;
  let complaints: string[];

  beforeEach(async () => {
    rehearsal = await RehearsalTown.open();
    server = http.createServer(express().use(phonePage(rehearsal.town)));
    await listenOn(0);
    page = await browser().newPage();
    page.setDefaultTimeout(WAIT_MS);
    complaints = [];
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      if (message.text().includes('Content Security Policy')) complaints.push(message.text());
    });
    await page.goto(`http://127.0.0.1:${portOf(server)}/phone`);
    await customer('Ana Souza').waitFor();
  });

  afterEach(async () => {
    await page.close();
    await closeServer();
    await rehearsal.close();
    expect(complaints).toEqual([]);
  });

  it('shows a question with its ticks, then the typing, then the answer', async () => {
    const webhook = Promise.withResolvers<typeof ACCEPTED>();
    rehearsal.webhookAnswers(webhook.promise);

    await write('Vocês abrem no domingo?');
    await bubble('Vocês abrem no domingo?').getByLabel('enviando').waitFor();
    webhook.resolve(ACCEPTED);
    await bubble('Vocês abrem no domingo?').getByLabel('entregue ao bot').waitFor();
    await page.locator('#typing').waitFor();
    rehearsal.botSays('5511999990001', 'Sim!\nDas 7h às 14h: https://paodavila.example/lojas.');

    await bubble('Das 7h às 14h').waitFor();
    await bubble('Vocês abrem no domingo?').getByLabel('respondida').waitFor();
    await page.locator('#typing').waitFor({ state: 'hidden' });
    expect(await page.getByRole('link', { name: 'lojas' }).getAttribute('href')).toBe(
      'https://paodavila.example/lojas',
    );
    expect(await page.locator('#how').textContent()).toMatch(/aceita pelo webhook em \d+ ms, respondida em [\d,]+ s/);
    expect(await page.locator('#announcer').textContent()).toContain('Sim!');
  });

  it('shows markup as the letters that it is', async () => {
    rehearsal.botSays('5511999990001', '<img src=x onerror="alert(1)"> javascript:alert(1)');

    await bubble('<img src=x').waitFor();

    expect(await page.locator('#messages img, #messages script, #messages a').count()).toBe(0);
  });

  it('sends a burst in the order in which it was written', async () => {
    for (const word of ['oi', 'tudo bem?', 'queria um bolo']) await write(word);

    await bubble('queria um bolo').getByLabel('entregue ao bot').waitFor();

    expect(rehearsal.said.map(({ text }) => text)).toEqual(['oi', 'tudo bem?', 'queria um bolo']);
  });

  it('sends an example at a touch, and a voice note from the menu', async () => {
    await page.getByRole('button', { name: 'aceita vale refeição' }).click();
    await page.getByRole('button', { name: 'Anexar' }).click();
    await page.getByRole('button', { name: 'Mensagem de voz' }).click();

    await bubble('Mensagem de voz').getByLabel('entregue ao bot').waitFor();

    expect(rehearsal.said.map(({ kind }) => kind)).toEqual(['text', 'audio']);
  });

  it('counts what others received, and shows it when one takes their phone', async () => {
    rehearsal.botSays('5511999990002', 'Seu bolo está pronto!');
    await customer('Bia Fernandes').getByText('1 não lida').waitFor();

    await customer('Bia Fernandes').click();

    await bubble('Seu bolo está pronto!').waitFor();
    expect(await customer('Bia Fernandes').getByText('não lida').count()).toBe(0);
    expect(await page.locator('#activity').textContent()).toBe('no celular de Bia Fernandes');
  });

  it('switches a fault on, and says which one is on', async () => {
    await page.getByRole('radio', { name: 'Gateway fora do ar' }).check();
    await page.getByText('Agora: gateway fora do ar').waitFor();

    expect(rehearsal.faults.gateway).toEqual({ mode: 'off' });
  });

  it('keeps what could not be sent, and sends it when asked again', async () => {
    rehearsal.webhookAnswers({ status: 503, body: {} });
    await write('Alguém aí?');
    await bubble('Alguém aí?').getByLabel('não enviada').waitFor();
    rehearsal.webhookAnswers(ACCEPTED);

    await page.getByRole('button', { name: 'Tentar de novo' }).click();

    await bubble('Alguém aí?').getByLabel('entregue ao bot').waitFor();
    expect(await page.locator('.bubble').count()).toBe(1);
  });

  it('says when the server is gone, comes back by itself, and has lost nothing', async () => {
    const port = portOf(server);
    await closeServer();
    await page.getByText('Sem conexão com o servidor').waitFor();
    await write('Ainda estão aí?');
    await bubble('Ainda estão aí?').getByLabel('não enviada').waitFor();
    rehearsal.botSays('5511999990001', 'Escrito enquanto ninguém ouvia');

    server = http.createServer(express().use(phonePage(rehearsal.town)));
    await listenOn(port);

    await bubble('Escrito enquanto ninguém ouvia').waitFor();
    await bubble('Ainda estão aí?').getByRole('button', { name: 'Tentar de novo' }).click();
    await bubble('Ainda estão aí?').getByLabel('entregue ao bot').waitFor();
    expect(await page.locator('#connection').textContent()).toBe('');
  });

  it('takes 4,096 characters and says so near the end', async () => {
    await page.getByLabel('Mensagem', { exact: true }).fill('a'.repeat(4_000));

    expect(await page.locator('#counter').textContent()).toBe('4000 de 4096');
  });

  it('shows one place at a time on a narrow screen', async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    expect(await customer('Ana Souza').isVisible()).toBe(false);

    await page.getByRole('button', { name: 'Trocar de pessoa' }).click();
    await customer('Carlos Nakamura').click();

    await page.getByText('no celular de Carlos Nakamura').waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390);
  });

  function customer(name: string): ReturnType<Page['locator']> {
    return page.locator('.customer', { hasText: name });
  }

  function bubble(text: string): ReturnType<Page['locator']> {
    return page.locator('.bubble', { hasText: text });
  }

  async function write(text: string): Promise<void> {
    const field = page.getByLabel('Mensagem', { exact: true });
    await field.fill(text);
    await field.press('Enter');
  }

  async function listenOn(wanted: number): Promise<void> {
    server.listen(wanted, '127.0.0.1');
    await once(server, 'listening');
  }

  async function closeServer(): Promise<void> {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }
});
