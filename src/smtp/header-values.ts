/** Reads the values of header fields as mail programs write them, with the libraries that know how. */
import libmime from 'libmime';
import addressparser from 'nodemailer/lib/addressparser';
import type { HeaderValues } from '../core/message/raw-message.ts';

export const headerValues: HeaderValues = {
  addresses: (value) => addressparser(value, { flatten: true }),
  text: (value) => libmime.decodeWords(value),
};
