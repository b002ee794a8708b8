#!/usr/bin/env python3
"""The same as send.py with the requests library: pip install requests.

    RELAY365_URL=http://localhost:3000 RELAY365_KEY=... python3 send_requests.py TO FILE
"""
import base64
import os
import sys
import time

import requests

URL = os.environ.get("RELAY365_URL", "http://localhost:3000")
FINAL = {"sent", "failed", "expired", "canceled"}
WAIT_SECONDS = 30

relay365 = requests.Session()
if "RELAY365_KEY" in os.environ:
    relay365.headers["Authorization"] = f"Bearer {os.environ['RELAY365_KEY']}"


def call(method, path, **options):
    """The answer as a dict. A refusal ends the program, and names each field that is wrong."""
    try:
        answer = relay365.request(method, URL + path, timeout=30, **options)
    except requests.RequestException as error:
        sys.exit(f"{URL} can't be reached: {error}")
    if answer.ok:
        return answer.json()
    problem = answer.json()
    lines = [f"{answer.status_code} {problem['title']}: {problem.get('detail', '')}"]
    lines += [f"  {e['field']}: {e['message']}" for e in problem.get("errors", [])]
    sys.exit("\n".join(lines))


def send(to, file):
    with open(file, "rb") as attachment:
        content = base64.b64encode(attachment.read()).decode()
    return call("POST", "/send", json={
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
        sys.exit("usage: send_requests.py TO FILE")
    message_id = send(sys.argv[1], sys.argv[2])
    print("accepted:", message_id)
    message = wait(message_id)
    print(message["status"])
    if message["status"] != "sent":
        sys.exit("\n".join(attempt["explanation"] for attempt in message["attempts"][-1:]) or 1)


main()
