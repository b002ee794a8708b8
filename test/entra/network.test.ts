/** Requests to Entra: a secret is sent nowhere else, and the size of an answer is limited. */
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

test.each([301, 302, 307, 308])('a request with a secret does not follow a redirect with %i', async (status) => {
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
  expect(network.takeFailure()?.message).toMatch(/not Entra's/);
});

test('an endless answer is aborted, and reported as not from Entra', async () => {
  const entra = await serve((_request, response) => {
    const fill = () => {
      while (response.write(' '.repeat(100_000)));
    };
    response.on('drain', fill);
    fill();
  });
  await expect(openNetwork(TIMEOUT_MS).sendGetRequestAsync(entra)).rejects.toThrow(/not Entra's/);
});
