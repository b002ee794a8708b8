/** The sink as a process: an SMTP server, and a token endpoint where relay365 logs in as it does at Microsoft. */
import { nowMs } from '../clock.ts';
import { makeServerCertificate } from '../../src/sandbox/certificate.ts';
import { openEntra } from '../../src/sandbox/entra.ts';
import type { Question, SinkAddress, Taken } from './sink.ts';
import { APPLICATION } from './sink.ts';
import { openSmtpSink } from './smtp-sink.ts';

const certificate = await makeServerCertificate();
const entra = await openEntra({ certificate, host: '127.0.0.1', port: 0, now: Date.now });
entra.addApp({ ...APPLICATION, secrets: [APPLICATION.clientSecret] });

let times: number[] = [];
let connectionsPeak = 0;
let connectionsOpen = 0;
let cpu = process.cpuUsage();
let wanted = Number.POSITIVE_INFINITY;

const port = await openSmtpSink(certificate, {
  onMessage: () => {
    times.push(nowMs());
    if (times.length >= wanted) tell();
  },
  onConnections: (open) => {
    connectionsOpen = open;
    connectionsPeak = Math.max(connectionsPeak, open);
  },
});

process.on('message', (question: Question) => {
  if (question.kind === 'address') {
    const { authorityHost } = entra;
    reply({ port, authorityHost, caCertificate: certificate.caCertificate } satisfies SinkAddress);
  } else if (question.kind === 'reset') {
    times = [];
    connectionsPeak = connectionsOpen;
    cpu = process.cpuUsage();
    reply({});
  } else {
    wanted = question.messages;
    if (times.length >= wanted) tell();
  }
});
process.on('SIGTERM', () => process.exit());

function tell(): void {
  wanted = Number.POSITIVE_INFINITY;
  const { user, system } = process.cpuUsage(cpu);
  reply({ times, connectionsPeak, cpuMs: (user + system) / 1_000 } satisfies Taken);
}

function reply(answer: object): void {
  process.send?.(answer);
}
