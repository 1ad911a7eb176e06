import { randomUUID } from 'node:crypto';
import { z } from 'zod';

/** Ids are minted by their parser or by {@link newId}, so that one kind is never passed for another. */
export const TenantId = z.uuid().brand<'TenantId'>();
export type TenantId = z.infer<typeof TenantId>;

export const ChannelId = z.uuid().brand<'ChannelId'>();
export type ChannelId = z.infer<typeof ChannelId>;

export const ContactId = z.uuid().brand<'ContactId'>();
export type ContactId = z.infer<typeof ContactId>;

export const ConversationId = z.uuid().brand<'ConversationId'>();
export type ConversationId = z.infer<typeof ConversationId>;

export const MessageId = z.uuid().brand<'MessageId'>();
export type MessageId = z.infer<typeof MessageId>;

export const TurnId = z.uuid().brand<'TurnId'>();
export type TurnId = z.infer<typeof TurnId>;

export const OutboxId = z.uuid().brand<'OutboxId'>();
export type OutboxId = z.infer<typeof OutboxId>;

export const DocumentId = z.uuid().brand<'DocumentId'>();
export type DocumentId = z.infer<typeof DocumentId>;

export const DeadLetterId = z.uuid().brand<'DeadLetterId'>();
export type DeadLetterId = z.infer<typeof DeadLetterId>;

export const NotificationTargetId = z.uuid().brand<'NotificationTargetId'>();
export type NotificationTargetId = z.infer<typeof NotificationTargetId>;

/** A fresh id of the kind that `parser` mints. */
export function newId<Id>(parser: { parse: (value: unknown) => Id }): Id {
  return parser.parse(randomUUID());
}
