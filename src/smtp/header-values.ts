/** Parses header values as mail programs write them, with nodemailer's and libmime's parsers. */
import libmime from 'libmime';
import addressparser from 'nodemailer/lib/addressparser';
import type { HeaderValues } from '../core/message/raw-message.ts';

export const headerValues: HeaderValues = {
  addresses: (value) => addressparser(value, { flatten: true }),
  text: (value) => libmime.decodeWords(value),
};
