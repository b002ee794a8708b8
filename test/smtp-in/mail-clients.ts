/**
 * The programs of docs/clients.md that Debian has, or npm, and how each is run with the page's own settings. A machine
 * may lack them; what can't be installed is said aloud and never counted as passed.
 */
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from '../examples/languages.ts';
import { ROOT } from '../helpers/process.ts';
import { startPostfix } from './postfix.ts';
import { MAILBOX } from './service.ts';

export interface MailClient {
  /** As the page's heading has it. */
  readonly name: string;
  /** Debian's. */
  readonly packages: readonly string[];
  /** Succeeds where the program is here. */
  readonly probe: Command;
  /** Sends the file `mail.eml`, and does not write the mail itself. */
  readonly isRaw?: true;
  /** Prints the id that the answer has. */
  readonly tellsId?: true;
  /** Writes the page's blocks into the folder and says how to run the program there. */
  readonly prepare: (blocks: readonly string[], folder: string, under: BlocksUnder) => Command;
}

/** The blocks under a heading of the page, for the service that runs here. */
export type BlocksUnder = (heading: string) => readonly string[];

const PHPMAILER = '/usr/share/php/libphp-phpmailer/autoload.php';
const SYMFONY = '/usr/share/php/Symfony/Component/Mailer/autoload.php';
const SWIFTMAILER = '/usr/share/php/Swift/swift_required.php';
/** What SwiftMailer needs, and Debian does not load with it. */
const VALIDATOR = '/usr/share/php/Egulias/EmailValidator/autoload.php';
/** The authority's certificate in the folder, for PHP, which knows no variable for it. */
const PHP = ['php', '-d', 'openssl.cafile=ca.pem'] as const;

/** What WordPress's wp_mail does with the hooks: wp-includes/pluggable.php. */
const WP_MAIL = `<?php
function add_action($name, $hook) { $GLOBALS['hooks'][$name] = $hook; }
function add_filter($name, $hook) { add_action($name, $hook); }
require '${PHPMAILER}';
require 'wp-config.php';
require 'relay365.php';
$phpmailer = new PHPMailer\\PHPMailer\\PHPMailer(true);
$phpmailer->setFrom($hooks['wp_mail_from']('wordpress@shop.example'), 'WordPress', false);
$phpmailer->addAddress('someone@example.com');
$phpmailer->addBcc('archive@example.com');
$phpmailer->Subject = 'Hello';
$phpmailer->Body = getenv('MAIL_TEXT');
$phpmailer->CharSet = 'UTF-8';
$phpmailer->isMail();
$hooks['phpmailer_init']($phpmailer);
$phpmailer->send();
`;

const MAIL_PHP = `<?php
$headers = ['From' => '${MAILBOX}', 'Bcc' => 'archive@example.com',
    'Content-Type' => 'text/plain; charset=utf-8', 'Content-Transfer-Encoding' => 'base64'];
exit(mail('someone@example.com', 'Hello', chunk_split(base64_encode(getenv('MAIL_TEXT'))), $headers) ? 0 : 1);
`;

export const MAIL_CLIENTS: readonly MailClient[] = [
  {
    name: 'WordPress',
    packages: ['php-cli', 'libphp-phpmailer'],
    probe: requires(PHPMAILER),
    prepare: ([config = '', plugin = ''], folder) => {
      write(folder, 'wp-config.php', `<?php\n${config}`);
      write(folder, 'relay365.php', plugin);
      return [...PHP, write(folder, 'wp-mail.php', WP_MAIL)];
    },
  },
  {
    name: 'PHPMailer',
    packages: ['php-cli', 'libphp-phpmailer'],
    probe: requires(PHPMAILER),
    tellsId: true,
    prepare: ([snippet = ''], folder) => phpSnippet([PHPMAILER], snippet, folder),
  },
  {
    name: 'Symfony Mailer',
    packages: ['php-cli', 'php-symfony-mailer'],
    probe: requires(SYMFONY),
    prepare: ([variable = '', snippet = ''], folder) => ['env', variable, ...phpSnippet([SYMFONY], snippet, folder)],
  },
  {
    name: 'SwiftMailer',
    packages: ['php-cli', 'php-swiftmailer'],
    probe: requires(SWIFTMAILER),
    prepare: ([snippet = ''], folder) => phpSnippet([VALIDATOR, SWIFTMAILER], snippet, folder),
  },
  {
    name: "PHP's mail()",
    packages: ['php-cli', 'msmtp'],
    probe: ['sh', '-c', 'php --version && msmtp --version'],
    prepare: ([setting = ''], folder, under) => {
      writeSecret(folder, '.msmtprc', under('msmtp')[0] ?? '');
      return ['php', '-c', write(folder, 'php.ini', setting), write(folder, 'mail.php', MAIL_PHP)];
    },
  },
  {
    name: 'Python',
    packages: ['python3'],
    probe: ['python3', '--version'],
    prepare: ([snippet = ''], folder) => ['python3', write(folder, 'snippet.py', snippet)],
  },
  {
    name: 'Nodemailer',
    packages: [],
    probe: [process.execPath, '--version'],
    tellsId: true,
    prepare: ([snippet = ''], folder) => {
      symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
      return [process.execPath, write(folder, 'snippet.mjs', snippet)];
    },
  },
  {
    name: 'Perl',
    packages: ['perl', 'libio-socket-ssl-perl', 'libauthen-sasl-perl'],
    probe: ['perl', '-MNet::SMTP', '-MIO::Socket::SSL', '-MAuthen::SASL', '-e', '1'],
    tellsId: true,
    prepare: ([snippet = ''], folder) => ['perl', write(folder, 'snippet.pl', snippet)],
  },
  {
    name: 'msmtp',
    packages: ['msmtp'],
    probe: ['msmtp', '--version'],
    isRaw: true,
    prepare: ([msmtprc = '', command = ''], folder) => {
      writeSecret(folder, '.msmtprc', msmtprc);
      return ['sh', '-c', command];
    },
  },
  {
    name: 'Postfix',
    packages: ['postfix', 'libsasl2-modules'],
    // Only root may give it a configuration of its own.
    probe: ['sh', '-c', 'test $(id -u) = 0 && test -x /usr/sbin/postfix && test -e /usr/lib/*/sasl2/libplain.so'],
    isRaw: true,
    prepare: (blocks, folder) => {
      const sendmail = startPostfix(blocks, folder).join(' ');
      return ['sh', '-c', `${sendmail} someone@example.com archive@example.com < mail.eml`];
    },
  },
  {
    name: 'mailx',
    packages: ['s-nail'],
    probe: ['s-nail', '--version'],
    prepare: ([mailrc = '', command = ''], folder) => {
      writeSecret(folder, '.mailrc', `${mailrc}\nset tls-ca-file=ca.pem tls-verify=strict\n`);
      return ['sh', '-c', command];
    },
  },
  {
    name: 'mutt',
    packages: ['mutt'],
    probe: ['mutt', '-v'],
    prepare: ([muttrc = '', command = ''], folder) => {
      writeSecret(folder, '.muttrc', muttrc);
      return ['sh', '-c', command];
    },
  },
  {
    name: 'curl',
    packages: ['curl'],
    probe: ['curl', '--version'],
    isRaw: true,
    prepare: ([command = ''], folder) => {
      write(folder, 'mail.eml', readFileSync(join(folder, 'mail.eml'), 'utf8').replaceAll('\n', '\r\n'));
      return ['sh', '-c', command];
    },
  },
  {
    name: 'swaks',
    packages: ['swaks', 'libnet-ssleay-perl'],
    probe: ['sh', '-c', 'swaks --version && perl -MNet::SSLeay -e 1'],
    isRaw: true,
    tellsId: true,
    prepare: ([command = '']) => ['sh', '-c', command],
  },
];

function requires(autoload: string): Command {
  return ['php', '-r', `require '${autoload}';`];
}

/** As a project has it that Composer made. */
function phpSnippet(autoload: readonly string[], snippet: string, folder: string): Command {
  mkdirSync(join(folder, 'vendor'));
  write(folder, 'vendor/autoload.php', `<?php ${autoload.map((file) => `require '${file}';`).join(' ')}`);
  const [program, ...args] = PHP;
  return [program, ...args, '-d', 'error_reporting=E_ALL^E_DEPRECATED', write(folder, 'snippet.php', snippet)];
}

function write(folder: string, name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

function writeSecret(folder: string, name: string, text: string): void {
  chmodSync(write(folder, name, `${text}\n`), 0o600);
}
