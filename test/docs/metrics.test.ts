/** The dashboard, the alerts and the page about metrics name exactly the metrics that exist. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parser } from '@prometheus-io/lezer-promql';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { openMetrics } from '../../src/observe/metrics.ts';
import { MAILBOX } from '../helpers/app.ts';
import { MESSAGE, STATE } from '../helpers/message.ts';
import { ROOT } from '../helpers/process.ts';

interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string };
}

interface Panel {
  readonly title: string;
  readonly description?: string;
  readonly targets?: readonly { readonly expr: string }[];
}

const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const dashboard = JSON.parse(read('docs/grafana/relay365.json')) as { readonly panels: readonly Panel[] };
const alerts = (parse(read('docs/prometheus-alerts.yaml')) as { groups: [{ rules: Alert[] }] }).groups[0].rules;
const shown = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

/** The labels of each metric that a process reports. */
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
  const usage = { connections: 1, reservedConnections: 2, messagesPerMinute: 2, recipientsPerDay: 3, underWay: 0 };
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

/** The metrics in an expression that do not exist, and the labels that no metric in it has. */
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
  test('uses metrics and labels that exist', () => {
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
  test('use metrics and labels that exist', () => {
    expect(alerts.length).toBeGreaterThan(10);
    expect(alerts.flatMap(({ expr }) => unknownIn(expr))).toEqual([]);
  });

  test('say what happened and what to do, each under its own name', () => {
    for (const { alert, labels: own, annotations } of alerts) {
      expect(alert).toMatch(/^Relay365[A-Z]\w+$/);
      expect(own.severity).toMatch(/^(critical|warning|info)$/);
      expect(annotations).toEqual({ summary: expect.any(String), description: expect.stringMatching(/\.$/) });
    }
    expect(new Set(alerts.map(({ alert }) => alert)).size).toBe(alerts.length);
  });

  test('are rules that Prometheus accepts', () => {
    expect(alerts.flatMap(ruleErrors)).toEqual([]);
  });
});

test("the dashboard's queries are PromQL", () => {
  expect(shown.map((expr) => expr.replaceAll('$__rate_interval', '5m')).flatMap(syntaxErrors)).toEqual([]);
});

test.each([
  ['an expression that is not closed', { expr: 'sum by (mailbox (relay365_mailboxes)' }],
  ['a function that Prometheus lacks', { expr: 'median(relay365_mailboxes)' }],
  ['a duration in words', { for: '5 minutes' }],
  ['a field that rules do not have', { until: '5m' }],
  ['a template that is not closed', { annotations: { summary: '{{ $value', description: 'Text.' } }],
  ['a label that the expression drops', { annotations: { summary: '{{ $labels.mailbox }}', description: 'Text.' } }],
])('%s is found in a rule', (_title, change) => {
  const rule = {
    alert: 'Relay365Test',
    expr: 'max(relay365_mailboxes) > 0',
    labels: { severity: 'info' },
    annotations: { summary: 'Text', description: 'Text.' },
  };
  expect(ruleErrors(rule)).toEqual([]);
  expect(ruleErrors({ ...rule, ...change })).not.toEqual([]);
});

const RULE_FIELDS = ['alert', 'expr', 'for', 'labels', 'annotations'];
/** https://prometheus.io/docs/prometheus/latest/querying/basics/#float-literals-and-time-durations */
const DURATION = /^(?:\d+(?:ms|[smhdwy]))+$/;
const TEMPLATE = /^\s*(?:\$labels\.(\w+)|\$value(?: \| humanize\w*)?)\s*$/;

/** What `promtool check rules` would refuse, and templates that would show nothing. */
function ruleErrors(rule: Alert): string[] {
  const fields = Object.keys(rule).filter((field) => !RULE_FIELDS.includes(field));
  const duration = rule.for === undefined || DURATION.test(rule.for) ? [] : [rule.for];
  const { summary, description } = rule.annotations;
  const templates = [summary, description].flatMap((text) => templateErrors(text, rule.expr));
  return [...fields, ...duration, ...syntaxErrors(rule.expr), ...templates].map((error) => `${rule.alert}: ${error}`);
}

/** With Prometheus's own grammar. */
function syntaxErrors(expr: string): string[] {
  const errors: string[] = [];
  parser.parse(expr).iterate({
    enter: ({ type, from }) => {
      if (type.isError) errors.push(`not PromQL at ${from}: ${expr}`);
    },
  });
  return errors;
}

function templateErrors(text: string, expr: string): string[] {
  const kept = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(/, */));
  const [first = '', ...parts] = text.split('{{').map((part) => part.split('}}'));
  const templates = parts.map(([template = '', ...rest]) => ({ template, isClosed: rest.length === 1 }));
  const isWrong = ({ template, isClosed }: (typeof templates)[number]) => {
    const [whole, label] = TEMPLATE.exec(template) ?? [];
    return !isClosed || whole === undefined || (label !== undefined && !kept.includes(label));
  };
  return [...(first.length > 1 ? [text] : []), ...templates.filter(isWrong).map(({ template }) => template)];
}

test('an unknown metric or label is found', () => {
  expect(unknownIn('sum by (queue) (relay365_mails_total{status="sent"})')).toEqual([
    'relay365_mails_total',
    'queue',
    'status',
  ]);
});

test('docs/metrics.md has every metric with its labels, and no other', () => {
  const rows = [...read('docs/metrics.md').matchAll(/^\| `(relay365_\w+)` +\| \w+ +\| ([^|]*?) *\|/gm)];
  const listed = rows.map(([, name = '', set = '']) => [name, set.replaceAll('`', '').split(' ').filter(Boolean)]);
  const names = ours().filter((name) => !/_(?:sum|count)$/.test(name));
  const wanted = names.map((name) => [
    withoutPart(name),
    [...(labels.get(name) ?? [])].filter((label) => !['instance', 'job', 'le'].includes(label)),
  ]);
  const sorted = (pairs: (string | string[])[][]) => pairs.map((pair) => pair.flat().sort()).sort();
  expect(sorted(listed)).toEqual(sorted(wanted));
});
