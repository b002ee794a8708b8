<?php
/**
 * Sends a mail with an attachment through relay365 and waits until Exchange has taken it.
 * Needs PHP 8.0 or newer with the curl extension.
 *
 *     RELAY365_URL=http://localhost:3000 RELAY365_KEY=... php send.php TO FILE
 */
declare(strict_types=1);

const FINAL_STATUSES = ['sent', 'failed', 'expired', 'canceled'];
const WAIT_SECONDS = 30;

/** The answer as an array. @throws RuntimeException that names each field that is wrong. */
function call(string $method, string $path, ?array $body = null): array
{
    $url = getenv('RELAY365_URL') ?: 'http://localhost:3000';
    $key = getenv('RELAY365_KEY');
    $curl = curl_init($url . $path);
    curl_setopt_array($curl, [
        CURLOPT_CUSTOMREQUEST => $method,
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => 30,
        CURLOPT_HTTPHEADER => array_merge(
            $key ? ["Authorization: Bearer $key"] : [],
            $body ? ['Content-Type: application/json'] : [],
        ),
    ]);
    if ($body) {
        curl_setopt($curl, CURLOPT_POSTFIELDS, json_encode($body, JSON_THROW_ON_ERROR));
    }
    $answer = curl_exec($curl);
    if ($answer === false) {
        throw new RuntimeException("$url can't be reached: " . curl_error($curl));
    }
    $json = json_decode($answer, true, 512, JSON_THROW_ON_ERROR);
    $code = curl_getinfo($curl, CURLINFO_RESPONSE_CODE);
    if ($code >= 400) {
        throw new RuntimeException(describe($code, $json));
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
        throw new RuntimeException('usage: send.php TO FILE');
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
