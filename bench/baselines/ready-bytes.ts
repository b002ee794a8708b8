/**
 * Only nodemailer's pool, as a process. The message is composed beforehand, so that only SMTP and TLS remain. It sends as
 * many messages as it is asked for, ten at a time.
 */
import { MAIL } from '../mail.ts';
import { openTransport } from './transport.ts';
import MailComposer from 'nodemailer/lib/mail-composer';

const CONNECTIONS = 10;
const from = 'noreply@contoso.example';

const transport = openTransport(Number(process.env['SMTP_PORT']), CONNECTIONS);
const raw = await new MailComposer({ ...MAIL, from }).compile().build();

process.on('message', ({ messages }: { messages: number }) => {
  const sent = Array.from({ length: messages }, () => transport.sendMail({ envelope: { from, to: MAIL.to }, raw }));
  Promise.all(sent).then(
    () => process.send?.({}),
    (error: unknown) => {
      throw error;
    },
  );
});
process.on('SIGTERM', () => process.exit());
