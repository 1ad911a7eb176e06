import { z } from 'zod';
import type { FailureCode } from '../vocabulary/failures.ts';
import * as apiKeys from './contract/api-keys.ts';
import * as assistant from './contract/assistant.ts';
import * as channels from './contract/channels.ts';
import * as conversations from './contract/conversations.ts';
import * as courtesies from './contract/courtesies.ts';
import * as deadLetters from './contract/dead-letters.ts';
import { NO_BODY, NOTHING } from './contract/fields.ts';
import * as handoffs from './contract/handoffs.ts';
import * as health from './contract/health.ts';
import * as knowledge from './contract/knowledge.ts';
import * as notificationTargets from './contract/notification-targets.ts';
import { EVERYONE, operation } from './contract/operation.ts';
import type { Operation } from './contract/operation.ts';
import * as tenants from './contract/tenants.ts';

export const getOpenApi = operation({
  id: 'getOpenApi',
  method: 'get',
  path: '/api/v1/openapi.json',
  summary: 'This document.',
  access: EVERYONE,
  params: NOTHING,
  query: NOTHING,
  body: NO_BODY,
  status: 200,
  answer: z.record(z.string(), z.unknown()),
  failures: [],
});

/** The API for people: every call there is. */
export const OPERATIONS: readonly Operation[] = [
  tenants.createTenant,
  tenants.listTenants,
  tenants.getTenant,
  tenants.getSettings,
  tenants.changeSettings,
  channels.createChannel,
  channels.listChannels,
  channels.getChannel,
  channels.rotateCredentials,
  health.getHealth,
  health.getChannelHealth,
  knowledge.createDocument,
  knowledge.listDocuments,
  knowledge.getDocument,
  knowledge.deleteDocument,
  conversations.listConversations,
  conversations.listMessages,
  conversations.listTurns,
  conversations.takeOver,
  conversations.returnToBot,
  conversations.closeConversation,
  handoffs.getHandoff,
  handoffs.changeContact,
  assistant.suggestReply,
  assistant.dryRun,
  courtesies.getConsent,
  courtesies.getCsat,
  deadLetters.listDeadLetters,
  deadLetters.replayDeadLetters,
  deadLetters.replayDeadLetter,
  deadLetters.discardDeadLetter,
  notificationTargets.createNotificationTarget,
  notificationTargets.listNotificationTargets,
  notificationTargets.changeNotificationTarget,
  notificationTargets.deleteNotificationTarget,
  notificationTargets.testNotificationTarget,
  apiKeys.createApiKey,
  apiKeys.listApiKeys,
  apiKeys.revokeApiKey,
  getOpenApi,
];

/** Every failure that a call may answer with: its own and those of its kind. */
export function failuresOf(described: Operation): readonly FailureCode[] {
  return [
    'REQUEST_NOT_VALID',
    ...(takesBody(described) ? (['BODY_NOT_PARSEABLE', 'BODY_TOO_LARGE', 'BODY_NOT_JSON'] as const) : []),
    ...failuresOfAccess(described),
    ...described.failures,
    'UNEXPECTED',
    'DATABASE_UNAVAILABLE',
  ];
}

export function takesBody(described: Operation): boolean {
  return described.body !== NO_BODY;
}

function failuresOfAccess({ access }: Operation): readonly FailureCode[] {
  switch (access.to) {
    case 'everyone':
      return [];
    case 'platform':
      return ['NOT_SIGNED_IN', 'NOT_ALLOWED', 'TOO_MANY_REQUESTS'];
    case 'tenant':
      return ['NOT_SIGNED_IN', 'NOT_ALLOWED', 'NOT_FOUND', 'TOO_MANY_REQUESTS'];
  }
}
