<?php
/**
 * Sends a mail with an attachment through relay365 by Guzzle, and waits until Exchange has taken it.
 * Needs PHP 8.0 or newer and Guzzle 7: composer require guzzlehttp/guzzle
 *
 *     RELAY365_URL=http://localhost:3000 RELAY365_KEY=... php send_guzzle.php TO FILE
 */
declare(strict_types=1);

// Without Composer, the packages of a Linux distribution have an autoloader of their own.
if (is_file(__DIR__ . '/vendor/autoload.php')) {
    require __DIR__ . '/vendor/autoload.php';
}

const FINAL_STATUSES = ['sent', 'failed', 'expired', 'canceled'];
const WAIT_SECONDS = 30;

/** The answer as an array. @throws RuntimeException that names each field that is wrong. */
function call(string $method, string $path, ?array $body = null): array
{
    $key = getenv('RELAY365_KEY');
    $client = new GuzzleHttp\Client([
        'base_uri' => getenv('RELAY365_URL') ?: 'http://localhost:3000',
        'headers' => $key ? ['Authorization' => "Bearer $key"] : [],
        'http_errors' => false,
        'timeout' => 30,
    ]);
    $answer = $client->request($method, $path, $body ? ['json' => $body] : []);
    $json = json_decode((string) $answer->getBody(), true, 512, JSON_THROW_ON_ERROR);
    if ($answer->getStatusCode() >= 400) {
        throw new RuntimeException(describe($answer->getStatusCode(), $json));
    }
    return $json;
}

/** A problem (RFC 9457) as lines for a person. */
function describe(int $code, array $problem): string
{
    $lines = [sprintf('%d %s: %s', $code, $problem['title'], $problem['detail'] ?? '')];
    foreach ($problem['errors'] ?? [] as $error) {
        $lines[] = "  {$error['field']}: {$error['message']}";
    }
    return implode("\n", $lines);
}

function send(string $to, string $file): string
{
    $accepted = call('POST', '/send', [
        'to' => $to,
        'subject' => 'Invoice 4711 – Müller GmbH',
        'text' => 'The invoice is attached.',
        'attachments' => [['filename' => basename($file), 'content' => base64_encode(file_get_contents($file))]],
    ]);
    return $accepted['id'];
}

/** The message once it is final, or as it is when the time is up. */
function wait(string $id): array
{
    $deadline = time() + WAIT_SECONDS;
    for (;;) {
        $message = call('GET', "/messages/$id");
        if (in_array($message['status'], FINAL_STATUSES, true) || time() > $deadline) {
            return $message;
        }
        sleep(1);
    }
}

function main(array $arguments): void
{
    if (count($arguments) !== 2) {
        throw new RuntimeException('usage: send_guzzle.php TO FILE');
    }
    $id = send(...$arguments);
    echo "accepted: $id\n";
    $message = wait($id);
    echo $message['status'], "\n";
    if ($message['status'] !== 'sent') {
        throw new RuntimeException(end($message['attempts'])['explanation'] ?? 'relay365 goes on trying.');
    }
}

try {
    main(array_slice($argv, 1));
} catch (Throwable $error) {
    fwrite(STDERR, $error->getMessage() . "\n");
    exit(1);
}
