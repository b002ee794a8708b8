/** Submits a message by SMTP, as programs without HTTP do: one try on its own connection. */
import { createTransport } from 'nodemailer';
import { ANSWER_MS_MAX, type Answer, type NotListening } from './answer.ts';

export interface SmtpMail {
  readonly from: string;
  readonly to: readonly string[];
  readonly messageId: string;
  /** The same in each try. */
  readonly bytes: Buffer;
}

const QUEUED = /^250 2\.0\.0 Ok: queued as (\S+)/;

export async function submitMail(
  port: number,
  { from, to, messageId, bytes }: SmtpMail,
): Promise<Answer | NotListening> {
  const transport = createTransport({
    host: '127.0.0.1',
    port,
    secure: false,
    ignoreTLS: true,
    connectionTimeout: ANSWER_MS_MAX,
    greetingTimeout: ANSWER_MS_MAX,
    socketTimeout: ANSWER_MS_MAX,
  });
  try {
    const { response } = await transport.sendMail({ envelope: { from, to: [...to] }, raw: bytes });
    const id = QUEUED.exec(response)?.[1];
    return id === undefined ? { kind: 'no-answer', error: response } : { kind: 'accepted', id, messageId };
  } catch (error) {
    const { message, responseCode, response, syscall } = error as SmtpError;
    if (responseCode !== undefined) return { kind: 'refused', status: responseCode, type: response ?? message };
    return syscall === 'connect' ? 'not-listening' : { kind: 'no-answer', error: message };
  } finally {
    transport.close();
  }
}

interface SmtpError extends NodeJS.ErrnoException {
  readonly responseCode?: number;
  readonly response?: string;
}
