/** The way to Entra: what carries a secret goes nowhere else, and what comes back is bounded. */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { openNetwork } from '../../src/entra/network.ts';

const TIMEOUT_MS = 20_000;

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test.each([301, 302, 307, 308])('a secret does not follow a redirection by %i', async (status) => {
  const asked: string[] = [];
  const other = await serve((request, response) => {
    asked.push(request.url ?? '');
    response.end('{}');
  });
  const entra = await serve((_request, response) => response.writeHead(status, { location: `${other}/stolen` }).end());
  const network = openNetwork(TIMEOUT_MS);
  await expect(network.sendPostRequestAsync(`${entra}/token`, { body: 'client_secret=x' })).rejects.toThrow();
  await expect(network.sendGetRequestAsync(`${entra}/metadata`)).rejects.toThrow();
  expect(asked).toEqual([]);
  expect(network.takeTrouble()?.message).toMatch(/not Entra's/);
});

test('an answer without end is left, and said to be none of Entra', async () => {
  const entra = await serve((_request, response) => {
    const fill = () => {
      while (response.write(' '.repeat(100_000)));
    };
    response.on('drain', fill);
    fill();
  });
  await expect(openNetwork(TIMEOUT_MS).sendGetRequestAsync(entra)).rejects.toThrow(/not Entra's/);
});
