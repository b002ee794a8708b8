/**
 * The names of relay365's keys in Redis. All share one hash tag, so that a Redis Cluster keeps them in one slot and a
 * message can be written in one transaction.
 */

export interface Keys {
  /** BullMQ's prefix; a queue's keys are `{relay365}:MAILBOX:…`. */
  readonly prefix: string;
  /** The hash of a message's record: see records/codec.ts. */
  record(id: string): string;
  /** The string that holds a message's content until it is sent. */
  body(id: string): string;
  /** Sorted sets of messages by the time of their accept: all, a client's, a queue's, those of a status. */
  readonly index: string;
  indexOfClient(client: string): string;
  indexOfQueue(queue: string): string;
  indexOfStatus(status: string): string;
  /** The sorted set of finished messages by the end of their retention. */
  readonly finished: string;
  /** The hash that counts what is not finished: `messages`, `bytes`, and both for each client (`messages:NAME`). */
  readonly load: string;
  /** The set of all queues that ever had a message: those of mailboxes and pools, past ones included. */
  readonly queues: string;
  /** The hash of an Idempotency-Key: of its request (`fingerprint`) and of a message (`id`, `estimatedAt`). */
  idempotency(key: string): string;
  /** The counts of wrong API keys, by network. */
  readonly wrongKeys: string;
  /** The number of requests of a client in its window. */
  requests(client: string): string;
  /** The sorted set of unfinished messages by the end of their time. */
  readonly deadlines: string;
  /** The sorted set of workers by the end of their lease, and the clock that all leases go by. */
  readonly workers: string;
  readonly leaseClock: string;
  /** The worker of an installation that has one at a time. */
  readonly onlyWorker: string;
  /** The hashes of the connections that each worker may have to a mailbox, and of those that it has open. */
  leases(mailbox: string): string;
  openConnections(mailbox: string): string;
  /** The throttle's keys of a mailbox: limits/scripts.ts describes them. */
  mailboxStatus(mailbox: string): string;
  sent(mailbox: string): string;
  underWay(mailbox: string): string;
  recipients(mailbox: string): string;
}

/** The namespace of an installation; tests have one each. */
export const NAMESPACE = 'relay365';

/** `namespace` separates several installations (or tests) in one Redis. */
export function makeKeys(namespace: string): Keys {
  const prefix = `{${namespace}}`;
  return {
    prefix,
    record: (id) => `${prefix}:record:${id}`,
    body: (id) => `${prefix}:body:${id}`,
    index: `${prefix}:index`,
    indexOfClient: (client) => `${prefix}:index:client:${client}`,
    indexOfQueue: (queue) => `${prefix}:index:queue:${queue}`,
    indexOfStatus: (status) => `${prefix}:index:status:${status}`,
    finished: `${prefix}:finished`,
    load: `${prefix}:load`,
    queues: `${prefix}:queues`,
    idempotency: (key) => `${prefix}:idempotency:${key}`,
    wrongKeys: `${prefix}:wrong-keys`,
    requests: (client) => `${prefix}:requests:${client}`,
    deadlines: `${prefix}:deadlines`,
    workers: `${prefix}:workers`,
    leaseClock: `${prefix}:lease-clock`,
    onlyWorker: `${prefix}:only-worker`,
    leases: (mailbox) => `${prefix}:seats:${mailbox}`,
    openConnections: (mailbox) => `${prefix}:connections:${mailbox}`,
    mailboxStatus: (mailbox) => `${prefix}:standing:${mailbox}`,
    sent: (mailbox) => `${prefix}:sent:${mailbox}`,
    underWay: (mailbox) => `${prefix}:under-way:${mailbox}`,
    recipients: (mailbox) => `${prefix}:recipients:${mailbox}`,
  };
}
