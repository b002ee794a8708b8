/** The dashboard, the alerts and the page about metrics name the metrics that there are, and leave none out. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { openMetrics } from '../../src/observe/metrics.ts';
import { MAILBOX } from '../helpers/app.ts';
import { MESSAGE, STATE } from '../helpers/message.ts';
import { ROOT } from '../helpers/process.ts';

interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string };
}

interface Panel {
  readonly title: string;
  readonly description?: string;
  readonly targets?: readonly { readonly expr: string }[];
}

const ALERTS_FILE = join(ROOT, 'docs/prometheus-alerts.yaml');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const dashboard = JSON.parse(read('docs/grafana/relay365.json')) as { readonly panels: readonly Panel[] };
const alerts = (parse(read('docs/prometheus-alerts.yaml')) as { groups: [{ rules: Alert[] }] }).groups[0].rules;
const shown = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

/** The labels of each metric that a process tells. */
let labels: ReadonlyMap<string, ReadonlySet<string>>;
beforeAll(async () => {
  const metrics = openMetrics({ withProcess: true });
  metrics.accepted(MESSAGE);
  const [attempt] = STATE.attempts;
  if (attempt) metrics.completed(MESSAGE, { attempt, status: 'sent' });
  metrics.token(MAILBOX.id, 'renewed');
  metrics.smtpInReply(250);
  metrics.smtpInCertificateEnd(new Date());
  metrics.credentialEnd(MAILBOX.id, new Date());
  const usage = { connections: 1, messagesPerMinute: 2, recipientsPerDay: 3, underWay: 0 };
  const queue = { waiting: 1, delayed: 2, underWay: 3 };
  metrics.watchFleet({
    mailboxes: async () => [{ mailbox: MAILBOX, mailboxStatus: { state: 'open', usage }, queue, pools: [] }],
    pools: async () => [],
    waiting: async () => ({ messages: 1, bytes: 2 }),
    limits: { messagesMax: 3, bytesMax: 4 },
  });
  labels = labelsOf(await metrics.text());
});

/** A histogram's parts count as metrics of their own here, as they do in a query. */
function labelsOf(text: string): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map<string, Set<string>>();
  for (const [, name = '', set = ''] of text.matchAll(/^([a-z]\w*)(?:\{(.*)\})? /gm)) {
    const known = found.get(name) ?? new Set(['instance', 'job']);
    for (const [, label = ''] of set.matchAll(/(\w+)="/g)) known.add(label);
    found.set(name, known);
  }
  return found;
}

function metricsIn(expr: string): string[] {
  return [...expr.matchAll(/\b(?:relay365|process|nodejs)_\w+/g)].map(([name]) => name);
}

/** Of an expression: the metrics that there are not, and the labels that no metric in it has. */
function unknownIn(expr: string): string[] {
  const used = metricsIn(expr);
  const known = new Set(used.flatMap((name) => [...(labels.get(name) ?? [])]));
  const lists = [...expr.matchAll(/\b(?:by|on|unless on) \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(/, */));
  const matchers = [...expr.matchAll(/(\w+)\s*(?:=~|!=|!~|=)\s*"/g)].map(([, label = '']) => label);
  return [...used.filter((name) => !labels.has(name)), ...[...lists, ...matchers].filter((label) => !known.has(label))];
}

const ours = () => [...labels.keys()].filter((name) => name.startsWith('relay365_'));
const withoutPart = (name: string) => name.replace(/_(?:bucket|sum|count)$/, '');

describe('the dashboard', () => {
  test('asks for metrics and labels that there are', () => {
    expect(shown.length).toBeGreaterThan(15);
    expect(shown.flatMap(unknownIn)).toEqual([]);
  });

  test('shows every metric', () => {
    const seen = new Set(shown.flatMap(metricsIn).map(withoutPart));
    expect(
      ours()
        .map(withoutPart)
        .filter((name) => !seen.has(name)),
    ).toEqual([]);
  });

  test('says of each panel what it shows', () => {
    for (const { title, description, targets } of dashboard.panels) {
      if (targets) expect([title, description]).toEqual([title, expect.stringMatching(/\.$/)]);
    }
  });
});

describe('the alerts', () => {
  test('ask for metrics and labels that there are', () => {
    expect(alerts.length).toBeGreaterThan(10);
    expect(alerts.flatMap(({ expr }) => unknownIn(expr))).toEqual([]);
  });

  test('say what happened and what to do, each under a name of its own', () => {
    for (const { alert, labels: own, annotations } of alerts) {
      expect(alert).toMatch(/^Relay365[A-Z]\w+$/);
      expect(own.severity).toMatch(/^(critical|warning|info)$/);
      expect(annotations).toEqual({ summary: expect.any(String), description: expect.stringMatching(/\.$/) });
    }
    expect(new Set(alerts.map(({ alert }) => alert)).size).toBe(alerts.length);
  });

  test.runIf(spawnSync('promtool', ['--version']).status === 0)('are rules in the eyes of Prometheus', () => {
    const { status, stderr } = spawnSync('promtool', ['check', 'rules', ALERTS_FILE], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
  });
});

test('a metric or label that there is not is found', () => {
  expect(unknownIn('sum by (queue) (relay365_mails_total{status="sent"})')).toEqual([
    'relay365_mails_total',
    'queue',
    'status',
  ]);
});

test('docs/metrics.md has every metric with its labels, and no other', () => {
  const rows = [...read('docs/metrics.md').matchAll(/^\| `(relay365_\w+)` +\| \w+ +\| ([^|]*?) *\|/gm)];
  const listed = rows.map(([, name = '', set = '']) => [name, set.replaceAll('`', '').split(' ').filter(Boolean)]);
  const told = ours().filter((name) => !/_(?:sum|count)$/.test(name));
  const wanted = told.map((name) => [
    withoutPart(name),
    [...(labels.get(name) ?? [])].filter((label) => !['instance', 'job', 'le'].includes(label)),
  ]);
  const sorted = (pairs: (string | string[])[][]) => pairs.map((pair) => pair.flat().sort()).sort();
  expect(sorted(listed)).toEqual(sorted(wanted));
});
