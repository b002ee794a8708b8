// Sends a mail with an attachment through relay365 and waits until Exchange has taken it. Needs Go 1.18 or newer.
//
//	RELAY365_URL=http://localhost:3000 RELAY365_KEY=... go run send.go TO FILE
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const waitAtMost = 30 * time.Second

var client = &http.Client{Timeout: 30 * time.Second}

type mail struct {
	To          string       `json:"to"`
	Subject     string       `json:"subject"`
	Text        string       `json:"text"`
	Attachments []attachment `json:"attachments"`
}

// A []byte becomes Base64 in JSON, which is what relay365 takes.
type attachment struct {
	Filename string `json:"filename"`
	Content  []byte `json:"content"`
}

type message struct {
	ID       string
	Status   string
	Attempts []struct{ Explanation string }
}

// problem is an answer by RFC 9457.
type problem struct {
	Title, Detail string
	Errors        []struct{ Field, Message string }
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: send TO FILE")
	}
	accepted, err := send(args[0], args[1])
	if err != nil {
		return err
	}
	fmt.Println("accepted:", accepted.ID)
	last, err := wait(accepted.ID)
	if err != nil {
		return err
	}
	fmt.Println(last.Status)
	if last.Status == "sent" {
		return nil
	}
	if n := len(last.Attempts); n > 0 {
		return errors.New(last.Attempts[n-1].Explanation)
	}
	return errors.New("relay365 goes on trying")
}

func send(to, file string) (message, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return message{}, err
	}
	return call("POST", "/send", mail{
		To:          to,
		Subject:     "Invoice 4711 – Müller GmbH",
		Text:        "The invoice is attached.",
		Attachments: []attachment{{filepath.Base(file), content}},
	})
}

// wait returns the message once it is final, or as it is when the time is up.
func wait(id string) (message, error) {
	deadline := time.Now().Add(waitAtMost)
	for {
		current, err := call("GET", "/messages/"+id, nil)
		if err != nil || isFinal(current.Status) || time.Now().After(deadline) {
			return current, err
		}
		time.Sleep(time.Second)
	}
}

func isFinal(status string) bool {
	return status == "sent" || status == "failed" || status == "expired" || status == "canceled"
}

// call returns what relay365 answers; its refusal is an error that names each field that is wrong.
func call(method, path string, body any) (answer message, err error) {
	request, err := newRequest(method, path, body)
	if err != nil {
		return answer, err
	}
	response, err := client.Do(request)
	if err != nil {
		return answer, err
	}
	defer response.Body.Close()
	if response.StatusCode >= 400 {
		return answer, refusal(response)
	}
	err = json.NewDecoder(response.Body).Decode(&answer)
	return answer, err
}

func newRequest(method, path string, body any) (*http.Request, error) {
	url := os.Getenv("RELAY365_URL")
	if url == "" {
		url = "http://localhost:3000"
	}
	var content bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&content).Encode(body); err != nil {
			return nil, err
		}
	}
	request, err := http.NewRequest(method, url+path, &content)
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if key := os.Getenv("RELAY365_KEY"); key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	return request, nil
}

func refusal(response *http.Response) error {
	var p problem
	if err := json.NewDecoder(response.Body).Decode(&p); err != nil {
		return fmt.Errorf("%s, and no problem with it: %w", response.Status, err)
	}
	lines := []string{fmt.Sprintf("%d %s: %s", response.StatusCode, p.Title, p.Detail)}
	for _, e := range p.Errors {
		lines = append(lines, fmt.Sprintf("  %s: %s", e.Field, e.Message))
	}
	return errors.New(strings.Join(lines, "\n"))
}
