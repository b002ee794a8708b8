/**
 * The names of relay365's keys in Redis. All share one hash tag, so that a Redis Cluster keeps them in one slot and a
 * message can be written in one transaction.
 */

export interface Keys {
  /** BullMQ's prefix; a queue's keys are `{relay365}:MAILBOX:…`. */
  readonly prefix: string;
  /** The hash that says what is known of a message. */
  record(id: string): string;
  /** The string that holds a message's content until it is sent. */
  body(id: string): string;
}

/** The namespace of an installation; tests have one each. */
export const NAMESPACE = 'relay365';

/** `namespace` sets apart several installations (or tests) in one Redis. */
export function makeKeys(namespace: string): Keys {
  const prefix = `{${namespace}}`;
  return {
    prefix,
    record: (id) => `${prefix}:record:${id}`,
    body: (id) => `${prefix}:body:${id}`,
  };
}
