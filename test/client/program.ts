/** A program over a client that was generated from openapi/openapi.yaml; every field and answer here is checked by tsc. */
import createClient from 'openapi-fetch';
import type { paths } from './generated.ts';

const [, , baseUrl = ''] = process.argv;
const relay365 = createClient<paths>({ baseUrl });
const to = 'someone@example.com';

/** The answer of a send that was no dry run. */
function accepted<Answer>(answer: Answer): Extract<Answer, { id: string }> | undefined {
  return typeof answer === 'object' && answer !== null && 'id' in answer ? (answer as never) : undefined;
}

const sent = await relay365.POST('/send', { body: { to, subject: 'Hello', text: 'Hello.' }, params: { query: {} } });
const scheduled = await relay365.POST('/send', {
  body: { to: [{ address: to }], text: 'Later.', sendAt: new Date(Date.now() + 3_600_000).toISOString() },
  params: { header: { 'Idempotency-Key': 'later-1' } },
});
const batch = await relay365.POST('/send/batch', {
  body: { messages: [{ to, html: '<p>Hi</p>' }, { text: 'no one' }] },
});
const refused = await relay365.POST('/send', { body: { to: 'nobody', text: 'x' } });
const id = accepted(scheduled.data)?.id ?? '';
const canceled = await relay365.DELETE('/messages/{id}', { params: { path: { id } } });
const listed = await relay365.GET('/messages', { params: { query: { status: 'canceled', limit: 10 } } });
const mailboxes = await relay365.GET('/mailboxes');

process.stdout.write(
  JSON.stringify({
    sent: accepted(sent.data)?.status,
    scheduled: accepted(scheduled.data)?.status,
    batch: batch.data?.results.map((result) =>
      'error' in result ? result.error.errors?.map(({ field }) => field) : result.status,
    ),
    refused: refused.error?.errors?.map(({ field }) => field),
    canceled: canceled.data?.status,
    listed: listed.data?.items.map((message) => message.id === id && message.status),
    mailboxes: mailboxes.data?.items.map(({ state }) => state),
  }),
);
