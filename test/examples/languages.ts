/**
 * The languages that have an example and a short request in examples/README.md, how each is run, and whether its runtime
 * is installed. A machine may lack all of them except Node; a missing one is reported and never counted as passed.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Language {
  /** As the heading in examples/README.md. */
  readonly name: string;
  /** Succeeds where the runtime is here. */
  readonly probe: Command;
  /** The example, from the repository's root. */
  readonly example: string;
  readonly runExample: (example: string) => Command;
  /** Writes the short request into a folder of its own and says how to run it; absent where there is no snippet. */
  readonly runSnippet?: (snippet: string, folder: string) => Command;
}

export type Command = readonly [program: string, ...args: string[]];

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export const LANGUAGES: readonly Language[] = [
  {
    name: 'Node',
    probe: [process.execPath, '--version'],
    example: 'examples/node/send.mjs',
    runExample: (file) => [process.execPath, file],
    runSnippet: (snippet, folder) => [process.execPath, write(folder, 'snippet.mjs', snippet)],
  },
  {
    name: 'curl',
    probe: ['curl', '--fail-with-body', '--version'],
    example: 'examples/curl/send.sh',
    runExample: (file) => [file],
    runSnippet: (snippet, folder) => ['sh', write(folder, 'snippet.sh', snippet)],
  },
  {
    name: 'Python',
    probe: ['python3', '--version'],
    example: 'examples/python/send.py',
    runExample: (file) => ['python3', file],
    runSnippet: (snippet, folder) => ['python3', write(folder, 'snippet.py', snippet)],
  },
  {
    name: 'Python with requests',
    probe: ['python3', '-c', 'import requests'],
    example: 'examples/python/send_requests.py',
    runExample: (file) => ['python3', file],
  },
  {
    name: 'PHP',
    probe: ['php', '-r', 'exit(extension_loaded("curl") ? 0 : 1);'],
    example: 'examples/php/send.php',
    runExample: (file) => ['php', file],
    runSnippet: (snippet, folder) => ['php', write(folder, 'snippet.php', snippet)],
  },
  phpLibrary('Guzzle', 'send_guzzle.php', 'GuzzleHttp/autoload.php'),
  phpLibrary("Symfony's HttpClient", 'send_symfony.php', 'Symfony/Component/HttpClient/autoload.php'),
  {
    name: 'Go',
    probe: ['go', 'version'],
    example: 'examples/go/send.go',
    runExample: (file) => ['go', 'run', file],
    runSnippet: (snippet, folder) => ['go', 'run', write(folder, 'snippet.go', snippet)],
  },
  {
    name: 'C#',
    probe: ['dotnet', '--list-sdks'],
    example: 'examples/csharp/Send.cs',
    runExample: () => ['dotnet', 'run', '--project', join(ROOT, 'examples/csharp'), '--'],
    runSnippet: (snippet, folder) => {
      write(folder, 'Program.cs', snippet);
      cpSync(join(ROOT, 'examples/csharp/Send.csproj'), join(folder, 'Send.csproj'));
      return ['dotnet', 'run', '--project', folder];
    },
  },
  {
    name: 'PowerShell',
    probe: ['pwsh', '-Version'],
    example: 'examples/powershell/send.ps1',
    runExample: (file) => ['pwsh', '-NoProfile', '-File', file],
    runSnippet: (snippet, folder) => ['pwsh', '-NoProfile', '-File', write(folder, 'snippet.ps1', snippet)],
  },
];

/** As Debian's packages have it, in PHP's include path. */
function phpLibrary(name: string, file: string, autoload: string): Language {
  return {
    name: `PHP with ${name}`,
    probe: ['php', '-r', `require '${autoload}';`],
    example: `examples/php/${file}`,
    runExample: (path) => ['php', '-d', `auto_prepend_file=${autoload}`, path],
  };
}

/** The languages whose runtime is here. Node is one of them. */
export const FOUND: readonly Language[] = LANGUAGES.filter(
  ({ probe: [program, ...args] }) => spawnSync(program, args).status === 0,
);

export const MISSING: readonly Language[] = LANGUAGES.filter((language) => !FOUND.includes(language));

function write(folder: string, name: string, text: string): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}
