#!/usr/bin/env python3
"""Sends a mail with an attachment through relay365 and waits until Exchange has taken it.

    RELAY365_URL=http://localhost:3000 RELAY365_KEY=... python3 send.py TO FILE

Needs nothing but Python 3.8 or newer.
"""
import base64
import json
import os
import sys
import time
import urllib.error
import urllib.request

URL = os.environ.get("RELAY365_URL", "http://localhost:3000")
KEY = os.environ.get("RELAY365_KEY")
FINAL = {"sent", "failed", "expired", "canceled"}
WAIT_SECONDS = 30


def call(method, path, body=None):
    """The answer as a dict. A refusal ends the program, and names each field that is wrong."""
    headers = {"Content-Type": "application/json"} if body else {}
    if KEY:
        headers["Authorization"] = f"Bearer {KEY}"
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(URL + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        problem = json.load(error)
        lines = [f"{error.code} {problem['title']}: {problem.get('detail', '')}"]
        lines += [f"  {e['field']}: {e['message']}" for e in problem.get("errors", [])]
        sys.exit("\n".join(lines))
    except urllib.error.URLError as error:
        sys.exit(f"{URL} can't be reached: {error.reason}")


def send(to, file):
    with open(file, "rb") as attachment:
        content = base64.b64encode(attachment.read()).decode()
    return call("POST", "/send", {
        "to": to,
        "subject": "Invoice 4711 – Müller GmbH",
        "text": "The invoice is attached.",
        "attachments": [{"filename": os.path.basename(file), "content": content}],
    })["id"]


def wait(message_id):
    """The message once it is final, or as it is when the time is up."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        message = call("GET", f"/messages/{message_id}")
        if message["status"] in FINAL or time.monotonic() > deadline:
            return message
        time.sleep(1)


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: send.py TO FILE")
    message_id = send(sys.argv[1], sys.argv[2])
    print("accepted:", message_id)
    message = wait(message_id)
    print(message["status"])
    if message["status"] != "sent":
        sys.exit("\n".join(attempt["explanation"] for attempt in message["attempts"][-1:]) or 1)


main()
